"""The reference of all settings: every key with its default, unit and meaning, as the settings describe themselves."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forearm.cli.commands import COMMANDS
from forearm.settings import compose, reference

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
GROUPS = {
    "task": "Tasks",
    "planner": "Planners",
    "world_model": "World models",
    "protocol": "Protocols",
    "robot": "Robots",
}
UNITS = {
    r"^share\b|: share of\b": "share",
    r"\b(?:control )?steps? (?:per episode|that an)|\bcontrol steps?\b": "control steps",
    r"\blatent steps?\b": "latent steps",
    r"\bsteps? (?:from|until|of Adam)\b|\boptimiser steps\b|\bsteps to the\b": "steps",
    r"\brad/s\^3|\bm/s\^3": "rad/s³ or m/s³",
    r"\brad/s\^2|\bm/s\^2": "rad/s² or m/s²",
    r"\brad/s\b|\bm/s\b": "rad/s or m/s",
    r"\brad or m\b|\bm or rad\b|\brad \(joints|\bjoints that turn\b": "rad or m",
    r"\bin ms\b": "ms",
    r"\bKiB\b": "KiB",
    r"\bdegrees\b": "degrees",
    r"\bpixels\b": "pixels",
    r"\bcommands a second\b|\bpoints a second\b": "1/s",
    r"^m\b|\bin m\b": "m",
    r"^s\b|\bin s\b|\bseconds\b": "s",
    r"\bin rad\b|^rad\b": "rad",
    r"\bcommand units\b|\bhalves of (?:a command|an action)'s range\b": "halves of a command's range",
    r"\bstandard deviations?\b": "standard deviations",
    r"\bas a share\b|\bshares?\b|\bfraction\b": "share",
}
"""What a meaning says to what the column of units shows; the first that fits."""


@dataclass(frozen=True)
class Key:
    """One setting: its dotted name, type, default as YAML writes it, unit ("" for none) and meaning."""

    name: str
    type: str
    default: str
    unit: str
    meaning: str


def pages() -> dict[str, str]:
    """Markdown of each page of the reference, by its name."""
    return {"commands": _commands()} | {group: _group(group, title) for group, title in GROUPS.items()}


def keys(config: str) -> list[Key]:
    """Every setting of a command (`plan`) or of an option (`planner=cem`), but the name of an option."""
    group, _, name = config.partition("=")
    found: list[Key] = []
    for key in reference.keys(f"{group}={_example(group, name)}" if name else config):
        default = _text(key.default)
        alike = found and re.search(r"\balike$", key.meaning)
        unit = found[-1].unit if alike else unit_of(key.type, default, key.meaning)
        found.append(Key(key.name.removeprefix(f"{group}." if name else ""), key.type, default, unit, key.meaning))
    return [key for key in found if not (name and key.name == "name")]


def unit_of(kind: str, default: str, meaning: str) -> str:
    """The unit of a setting's numbers; "" for a number without one, a name or a truth value."""
    if not re.search(r"int|float|any|^$", kind) or default in ("true", "false"):
        return ""
    return next((unit for pattern, unit in UNITS.items() if re.search(pattern, meaning)), "")


def _example(group: str, name: str) -> str:
    """A task that has no file of its own, in place of what all tasks of its benchmark share."""
    if not name.endswith("/_any"):
        return name
    own = {path.relative_to(CONFIGS / group).with_suffix("").as_posix() for path in (CONFIGS / group).rglob("*.yaml")}
    folder = name.removesuffix("_any")
    return next(option for option in compose.options(group) if option.startswith(folder) and option not in own)


def _text(default: Any) -> str:
    if default == "???":
        return "must be given"
    return default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)


def _commands() -> str:
    """What each command takes beside its groups."""
    lines = [
        "# Settings of the commands",
        "",
        "Every setting is a word `key=value` on the command line.",
        "This page is made from the settings themselves.",
        "",
        "A command's own settings are named as they stand here.",
        "Those of a group carry its name: `planner.samples=200`.",
    ]
    for name, command in COMMANDS.items():
        if not command.config:
            continue
        lines += ["", f"## `forearm {name}`", "", f"{command.summary[0].upper()}{command.summary[1:]}.", ""]
        chosen = _defaults_of(CONFIGS / f"{command.config}.yaml")
        if chosen:
            named = ", ".join(f"[`{group}`]({group}.md) (`{option}`)" for group, option in chosen)
            lines += [f"Groups, and what is chosen by default: {named}.", ""]
        lines += _table(keys(command.config))
    return "\n".join(lines) + "\n"


def _defaults_of(path: Path) -> list[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    return [(group, option) for group, option in re.findall(r"^ {2}- (\w+): (\S+)$", text, re.M) if group in GROUPS]


def _group(group: str, title: str) -> str:
    """The page of one group: what each option is, then each option's settings."""
    files = sorted((CONFIGS / group).rglob("*.yaml"), key=lambda path: (path.parent != CONFIGS / group, path))
    names = [path.relative_to(CONFIGS / group).with_suffix("").as_posix() for path in files]
    lines = [f"# {title}", "", f"`{group}=NAME` chooses one of these. Its settings are `{group}.KEY=VALUE`.", ""]
    lines += ["| name | what it is |", "|---|---|"]
    for name, path in zip(names, files, strict=True):
        lines.append(f"| [`{_shown(name)}`](#{_slug(name)}) | {_cell(_says(path))} |")
    shown: dict[str, Key] = {}
    for name, path in zip(names, files, strict=True):
        here = keys(f"{group}={name}")
        new = [key for key in here if key.name not in shown]
        changed = [key for key in here if key.name in shown and key.default != shown[key.name].default]
        lines += ["", f"## `{_shown(name)}` {{ #{_slug(name)} }}", "", _says(path), ""]
        if new and shown:
            lines += ["Settings of its own:", ""]
        lines += _table(new) if new else []
        if changed:
            lines += ["", "Other defaults than above:", "", *_table(changed)]
        if not new and not changed:
            lines += ["All settings are as above."]
        shown |= {key.name: key for key in new}
    return "\n".join(lines) + "\n"


def _shown(name: str) -> str:
    return name.replace("_any", "…")


def _slug(name: str) -> str:
    return "option-" + re.sub(r"[^a-z0-9]+", "-", name.lower())


def _says(path: Path) -> str:
    """The comment in the first lines of a config, as one line."""
    found: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        found.append(line.removeprefix("#").strip())
    return " ".join(found)


def _table(keys: Iterable[Key]) -> list[str]:
    lines = ["| key | default | unit | meaning |", "|---|---|---|---|"]
    for key in keys:
        default = f"`{_cell(key.default)}`" if key.default else ""
        kind = f" *({_cell(key.type)})*" if key.type else ""
        lines.append(f"| `{key.name}` | {default} | {key.unit} | {_cell(key.meaning)}{kind} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
