"""Fields of a config's dataclass: their types, defaults and meanings.

A field's meaning stands in the section `Attributes:` of its class, or of the class that it is inherited from.
"""

import inspect
import re
import types
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, make_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

REQUIRED: Any = "???"
"""OmegaConf's default of a setting that must be given."""


@dataclass(frozen=True)
class Key:
    """One setting of a config.

    Attributes:
        config: what it belongs to: a command, a group such as `task`, or an option such as `planner=cem`.
        name: as it is set on a command line, such as `task.objective.decay`.
        type: of its values, such as `float | null`.
        default: what it is unless it is set; `???` where it must be given.
        meaning: one line, with the unit.
    """

    config: str
    name: str
    type: str
    default: Any
    meaning: str


def meanings(kind: type[Any]) -> dict[str, str]:
    """What the class and those that it inherits from say about their fields, a line each."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        section = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\nAttributes:\n")[2]
        for names, text in re.findall(r"^    (\w[\w, ]*): ((?:.|\n(?:     |$))*)", section, re.M):
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()).removesuffix("."))
    own = {item.name: str(item.metadata["meaning"]) for item in fields(kind) if "meaning" in item.metadata}
    return found | own


def walk(kind: type[Any], config: str, prefix: str = "", given: Mapping[str, Any] | None = None) -> Iterator[Key]:
    """Every setting of a dataclass, those of its sections as well; `given` replaces defaults."""
    said, hints = meanings(kind), get_type_hints(kind)
    for item in fields(kind):
        section = section_of(hints[item.name])
        told = None if given is None else given.get(item.name)
        if section is not None:
            yield from walk(section, config, f"{prefix}{item.name}.", told)
            continue
        default = given[item.name] if given is not None and item.name in given else default_of(item)
        hint = item.metadata.get("type", hints[item.name])
        yield Key(config, f"{prefix}{item.name}", type_text(hint), default, said.get(item.name, ""))


def derived(
    kind: type[Any],
    *,
    named: str = "",
    left_open: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    seconds: Collection[str] = (),
) -> type[Any]:
    """A dataclass for OmegaConf with the fields, defaults and meanings of one whose own checks need more than types.

    Args:
        kind: the dataclass.
        named: what the field `name` means, which comes first; empty for none.
        left_open: fields whose default is null here, and what decides them then.
        without: fields that are left out.
        seconds: fields in control steps that may also be given in seconds, such as 1.2s.
    """
    said, hints, left_open = meanings(kind), get_type_hints(kind), left_open or {}
    found: list[Any] = [("name", str, field(default=REQUIRED, metadata={"meaning": named}))] if named else []
    for item in fields(kind):
        name, hint = item.name, hints[item.name]
        if name in without:
            continue
        meaning = re.sub(r"\bNone\b", "null", said.get(name, ""))
        if name in seconds:
            hint, meaning = hint | str, f"{meaning}, or seconds, such as 1.2s"
        if name in left_open:
            hint, meaning = hint | None, f"{meaning}; null: {left_open[name]}"
        default = None if name in left_open else default_of(item)
        found.append((name, simple(hint), field(default=default, metadata={"meaning": meaning, "type": hint})))
    return make_dataclass(kind.__name__, found)


def default_of(item: "Field[Any]") -> Any:
    """A field's default."""
    if item.default is not MISSING:
        return item.default
    if item.default_factory is not MISSING:
        return item.default_factory()
    return REQUIRED


def simple(hint: Any) -> Any:
    """The type itself, if OmegaConf can check it, else Any: it knows no union with a container in it."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    containers = [part for part in parts if get_origin(part) in (tuple, list, dict)]
    return Any if containers and len([part for part in parts if part is not type(None)]) > 1 else hint


def type_text(hint: Any) -> str:
    """A type as it is told to a reader: `int`, `float | [float]`, `str | null`."""
    if hint in (Any, object):
        return "any"
    if hint is type(None):
        return "null"
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_text, parts))
    if origin in (list, tuple):
        return f"[{type_text(parts[0])}]"
    if origin is dict:
        return f"{{{type_text(parts[0])}: {type_text(parts[1])}}}"
    return str(getattr(hint, "__name__", hint))


def section_of(hint: Any) -> type[Any] | None:
    """The dataclass of a field with this type, if it holds settings of its own."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((part for part in parts if isinstance(part, type) and is_dataclass(part)), None)
