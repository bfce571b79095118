from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as rounds
from hypothesis import strategies as st

from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.settings import words as values

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=20)
ODD = (
    "küche",
    "cam(1)",
    "a=b",
    "it's",
    "a,b",
    '"',
    "${x}",
    "[a",
    "{",
    "choice(1,2)",
    "007",
    "true",
    "1e3",
    "a: b",
    "#1",
)


def is_plain(text: str) -> bool:
    """Neither empty, nor null, nor in quotes as a whole."""
    return text.strip() not in ("", "null") and values.unquoted(text) == text


@pytest.mark.parametrize("key", ["out", "task.checkpoint", "start", "camera_key", "device", "task.camera", "host"])
@pytest.mark.parametrize("text", ODD)
def test_names_and_paths_arrive_as_typed(key: str, text: str) -> None:
    assert values.read(key, text, "127.0.0.1" if key == "host" else None) == text


@rounds(max_examples=100, deadline=None)
@given(PRINTABLE, st.sampled_from(["out", "data", "camera_key", "device"]))
def test_whatever_is_printed_arrives_as_typed(text: str, key: str) -> None:
    if is_plain(text):
        assert values.read(key, text, None) == text


@rounds(max_examples=100, deadline=None)
@given(st.lists(PRINTABLE, max_size=4))
@example(["a,b", "it's", "'", '"', " ", "\\", "\\'", "[x]", "'a'"])
def test_a_list_of_names_arrives_as_it_was(names: list[str]) -> None:
    key, _, text = values.word("use", names).partition("=")
    assert values.read(key, text, []) == names


@rounds(max_examples=100, deadline=None)
@given(PRINTABLE, st.sampled_from([1, 1.0, True, [1.0], None]))
def test_other_values_are_of_the_kind_of_their_default_or_one_line(text: str, default: Any) -> None:
    try:
        found = values.read("seed", text, default)
    except ForearmError as error:
        assert "seed" in str(error) and "\n" not in str(error)
        return
    kinds = {int: int, float: (float, list), bool: bool, list: list}
    assert default is None or isinstance(found, kinds[type(default)])


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("[1,2.5]", [1, 2.5]), ("null", None), ("küche", "küche"), ("a(b", "a(b"), ("'a, b'", "a, b"), ("", "")],
)
def test_what_has_no_default_is_a_value_or_else_a_name(text: str, value: Any) -> None:
    assert values.read("knots", text, None) == value


@pytest.mark.parametrize("text", ["mödul", "null", "[a", "3"])
def test_a_list_is_in_brackets(text: str) -> None:
    with pytest.raises(ForearmError, match=r"list in brackets|cannot read"):
        values.read("use", text, [])


def test_the_commands_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings.load("train", ["task=own", "camera_key=observation.images.küche", "use=[mödul,'a,b']"])
    assert chosen["camera_key"] == "observation.images.küche" and chosen["use"] == ["mödul", "a,b"]
    for key in ("camera_key", "device"):
        for text in ODD:
            assert settings.load("train", [f"{key}={text}"])[key] == text
