"""What the text of a `key=value` word means, told by the value that it takes the place of.

Names and paths arrive as they were typed, whatever letters they have. Numbers, truth values, lists of numbers and what
has no default are read by Hydra's grammar.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from forearm.common.durations import seconds
from forearm.errors import ForearmError, one_line

_FOLDERS = {"out", "data", "configs", "goals", "cache_dir"}
_FILES = {
    "start",
    "goal",
    "checkpoint",
    "heads",
    "student",
    "subgoals",
    "rankings",
    "decoder",
    "init",
    "picture",
    "model",
    "weights_file",
    "token_file",
}
PATHS = frozenset({*_FOLDERS, *_FILES, "tls_cert", "tls_key", "manifest"})
PLACED = frozenset({"goal"})
"""Keys that hold a path, or places in braces."""
NAMES = frozenset({"budget", "camera", "device", "planner"})
"""Keys that hold a name, though their default may be null."""
COLUMNS = frozenset({"action_key", "camera_key", "state_key"})
"""Keys that hold a name, or several in brackets."""
INFINITY = "inf"
"""Stays a word, as JSON has no such number."""
CURVES = frozenset({"strength"})
"""Keys that hold a number, or several in brackets."""


def read(key: str, text: str, default: Any, nullable: bool = False, steps: bool = False) -> Any:
    """The value that `text` gives to `key`, of the kind of `default`, or None for null if it is `nullable`; null
    defaults take anything. `steps`: it is a number of control steps, or seconds, such as 1.2s.

    Raises `ForearmError` for a value of another kind, or one that is none.
    """
    last, null = key.rpartition(".")[2], text.strip() == "null"
    if null and (nullable or default is None):
        return None
    if null and isinstance(default, str):
        raise ForearmError(f"{key} must be text, not null")
    if steps and seconds(text.strip()) is not None:
        return text.strip()
    if steps and isinstance(default, str):
        default = 1
    if last in PATHS and not (last in PLACED and text.strip().startswith("{")):
        return text if text.strip() else None
    if isinstance(default, str) or last in NAMES:
        return unquoted(text)
    if last in COLUMNS:
        return items(text.strip()) if _in_brackets(text.strip()) else unquoted(text)
    text = text.strip()
    if default is None and text == INFINITY:
        return text
    if isinstance(default, list) and all(isinstance(item, str) for item in default) and _in_brackets(text):
        return items(text)
    return _checked(key, _parsed(key, text, default), default)


def word(key: str, value: Any) -> str:
    """The override that sets `key` to a Python value."""
    return f"{key}={written(value)}"


def items(text: str) -> list[str]:
    """The names in `[a,b]` or `a,b`; one with a comma in it stands in quotes."""
    inner = text[1:-1] if _in_brackets(text) else text
    if not inner.strip():
        return []
    found, rest = [], f"{inner},"
    while rest:
        taken = _ITEM.match(rest)
        assert taken is not None  # its last branch takes anything up to the next comma
        found.append(unquoted(taken[1].strip()))
        rest = rest[taken.end() :]
    return found


def unquoted(text: str) -> str:
    """`text` without the quotes around the whole of it, if there are any."""
    found = _QUOTED.fullmatch(text)
    return re.sub(r"\\(['\"\\])", r"\1", text[1:-1]) if found else text


def _in_brackets(text: str) -> bool:
    return text.startswith("[") and text.endswith("]")


def written(value: Any) -> str:
    """A Python value as it is written in an override."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(_item(item) for item in value)}]"
    return str(value)


def _item(value: Any) -> str:
    """An item of a list, in quotes where it would fall apart without."""
    text = written(value)
    if not isinstance(value, str) or (text == text.strip() and not re.search(r"[,'\"\[\]\\]", text) and text):
        return text
    escaped = re.sub(r"(['\\])", r"\\\1", text)
    return f"'{escaped}'"


def _parsed(key: str, text: str, default: Any) -> Any:
    """The value that Hydra's grammar reads in `text`; where there is no default, what it cannot read is a name."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        override = OverridesParser.create().parse_override(f"value={text}")
        if override.is_sweep_override():
            raise ForearmError(f"{key} takes one value; write lists in brackets, {key}=[{text}]")
        value = _plain(override.value())
        container: Any = OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        if default is None and text[:1] not in ("[", "{"):
            return text
        raise ForearmError(f"cannot read '{key}={text}': {one_line(error).partition(' See ')[0]}") from None
    return container["value"]


def _plain(value: Any) -> Any:
    """Hydra's quoted strings, also inside lists and dicts, as ordinary ones."""
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return value


def _checked(key: str, value: Any, default: Any) -> Any:
    """`value`, if it is of the kind of `default`."""
    if default is None:
        return value
    kind = next((kind for kind in _KINDS if isinstance(default, kind)), None)
    if kind is None:
        return value
    if key.rpartition(".")[2] in CURVES and _is_number(value):
        return [float(value)]
    right, words = _KINDS[kind]
    if not right(value):
        raise ForearmError(f"{key} must be {words}, not {'null' if value is None else value}")
    return float(value) if kind is float and _is_number(value) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_numbers(values: Sequence[Any]) -> bool:
    return bool(values) and all(map(_is_number, values))


_KINDS: dict[type, tuple[Callable[[Any], bool], str]] = {  # bool first: it is an int as well
    bool: (lambda value: isinstance(value, bool), "true or false"),
    int: (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    float: (lambda value: _is_number(value) or (isinstance(value, list) and _are_numbers(value)), "a number"),
    list: (lambda value: isinstance(value, list), "a list in brackets"),
}
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.S)
_ITEM = re.compile(rf"(\s*(?:{_QUOTED.pattern})\s*|[^,]*),", re.S)
