"""Public names of before: they still work, and say what they are called now."""

import pytest

import forearm
import forearm.serve
from forearm import planner


def test_the_loaded_model_answers_to_its_old_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"forearm\.LoadedModel"):
        assert forearm.Brain is forearm.LoadedModel


def test_the_remote_plan_source_answers_to_its_old_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"forearm\.serve\.RemotePlanSource"):
        assert forearm.serve.RemoteMind is forearm.serve.RemotePlanSource


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("POLICIES", "BASELINES"),
        ("make_policy", "make_baseline"),
        ("Policy", "Baseline"),
        ("PolicyConfig", "BaselineConfig"),
        ("RandomPolicy", "RandomBaseline"),
        ("HoldPolicy", "HoldBaseline"),
        ("PriorPolicy", "PriorBaseline"),
    ],
)
def test_what_does_not_plan_answers_to_its_old_name(old: str, now: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"forearm\.planner\.{old} is now forearm\.planner\.{now};"):
        assert getattr(planner, old) is getattr(planner, now)


def test_a_name_that_is_a_module_too_is_what_was_promised_every_time() -> None:
    for _ in range(2):
        assert callable(forearm.serve.running)
    assert {"LoadedModel", "load", "compare"} <= set(dir(forearm))
    with pytest.raises(AttributeError, match="nowhere"):
        forearm.nowhere  # noqa: B018
