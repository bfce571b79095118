"""Limits that stand beside defaults: what is kept, what is refused, and in which words."""

from dataclasses import dataclass
from typing import Any

import pytest

from forearm.common import checks
from forearm.errors import InputError

SHARE = checks.worded(checks.real, "{name}={value} must be above {above:g} and at most {most:g}")
KIND = checks.worded(checks.choice, "{name} is '{value}': expected one of {known}")


@dataclass(frozen=True)
class Of:
    count: int = checks.setting(3, checks.whole, least=1)
    share: float = checks.setting(1, SHARE, above=0.0, most=1.0)
    kind: str = checks.setting("round", KIND, known=("round", "square"))
    seconds: float | None = checks.setting(None, checks.real, above=0.0)
    every: int | None = checks.setting(2, checks.integer, none=True, least=1, most=9)

    def __post_init__(self) -> None:
        checks.settings(self, "of.")


@dataclass(frozen=True)
class Alike(Of):
    most: int = checks.like(Of, "every")


def test_what_is_within_its_limits_is_kept_as_its_type() -> None:
    made = Of(share=1, seconds=2, every=None)
    assert (made.share, made.seconds, made.every) == (1.0, 2.0, None) and isinstance(made.share, float)
    assert Of().seconds is None and Alike().most == 2 and Alike(most=None).most is None
    assert Of(count=2**70 + 1).count == 2**70 + 1
    assert checks.of(Of, "every", None) is None and checks.of(Of, "elsewhere", "x") == "x"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"count": 0}, "of.count must be a whole number of at least 1, not 0"),
        ({"count": True}, "of.count must be a whole number of at least 1, not True"),
        ({"share": 1.5}, "of.share=1.5 must be above 0 and at most 1"),
        ({"kind": "flat"}, "of.kind is 'flat': expected one of round, square"),
        ({"seconds": 10**400}, f"of.seconds must be a finite number, got {10**400}"),
        ({"seconds": float("nan")}, "of.seconds must be a finite number, got nan"),
        ({"every": 10}, "of.every must be at most 9, got 10"),
        ({"most": 0}, "of.most must be at least 1, got 0"),
    ],
)
def test_what_is_beyond_them_is_told(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Alike(**wrong)
    assert str(caught.value) == said
