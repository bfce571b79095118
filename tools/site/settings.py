"""The reference of all settings: every key with its default and what it means, as the configs say them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from forearm.cli.main import COMMANDS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
GROUPS = {
    "task": "Tasks",
    "planner": "Planners",
    "world_model": "World models",
    "protocol": "Protocols",
    "robot": "Robots",
}
UNITS = {
    r"\bcontrol steps?\b": "control steps",
    r"\blatent steps?\b": "latent steps",
    r"\brad/s\^2": "rad/s²",
    r"\brad/s\^3": "rad/s³",
    r"\brad/s\b": "rad/s",
    r"\bm/s\^2": "m/s²",
    r"\bm/s\^3": "m/s³",
    r"\bm/s\b": "m/s",
    r"\brad or m\b": "rad or m",
    r"^(?:box )?in m\b|^m\b|\.\.\. in m\b|\bin m\b": "m",
    r"\bdegrees\b": "degrees",
    r"\bpixels\b": "pixels",
    r"^s\b": "s",
    r"\bin rad\b|^rad\b": "rad",
}
"""What a comment says to what the unit column shows."""
BY_KEY = {"deadline_ms": "ms", "angle_deg": "degrees", "max_message_kib": "KiB", "position_m": "m", "rest_tolerance_m": "m"}
_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?:\s+(?P<value>[^#\n]*?))?\s*(?:#\s*(?P<meaning>.*))?$")


@dataclass(frozen=True)
class Key:
    """One setting: its dotted name, default as YAML writes it, unit ("" for none) and meaning."""

    name: str
    default: str
    unit: str
    meaning: str


def keys_of(path: Path) -> Iterator[Key]:
    """Every setting of a config file, in its order; a key that holds others gives a row without a default."""
    parents: list[tuple[int, str]] = []
    in_defaults = False
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _LINE.match(line)
        if line.startswith("defaults:"):
            in_defaults = True
            continue
        if not found or (in_defaults and line.startswith("  ")):
            continue
        in_defaults = False
        indent, key = len(found["indent"]), found["key"]
        while parents and parents[-1][0] >= indent:
            parents.pop()
        name = ".".join([*(parent for _, parent in parents), key])
        value, meaning = (found["value"] or "").strip(), (found["meaning"] or "").strip()
        parents.append((indent, key))
        if value or meaning:
            yield Key(name, value, unit_of(key, meaning), meaning)


def unit_of(key: str, meaning: str) -> str:
    """The unit of a setting, "" for a number without one, a name or a truth value."""
    if key in BY_KEY:
        return BY_KEY[key]
    return next((unit for pattern, unit in UNITS.items() if re.search(pattern, meaning)), "")


def pages() -> dict[str, str]:
    """Markdown of each page of the reference, by its name."""
    found = {"commands": _commands()}
    for group, title in GROUPS.items():
        found[group] = _group(group, title)
    return found


def _commands() -> str:
    """What each command takes beside its groups."""
    lines = [
        "# Settings of the commands",
        "",
        "Every setting is a word `key=value` on the command line. This page is made from the configs themselves.",
        "",
        "A command's own settings are named as they stand here. Those of a group carry its name: `planner.samples=200`.",
    ]
    for name, command in COMMANDS.items():
        if not command.config:
            continue
        chosen = _defaults_of(CONFIGS / f"{command.config}.yaml")
        lines += ["", f"## `forearm {name}`", "", f"{command.summary[0].upper()}{command.summary[1:]}.", ""]
        if chosen:
            named = ", ".join(f"[`{group}`]({group}.md) (`{option}`)" for group, option in chosen)
            lines += [f"Groups, and what is chosen by default: {named}.", ""]
        lines += _table(keys_of(CONFIGS / f"{command.config}.yaml"))
    return "\n".join(lines) + "\n"


def _defaults_of(path: Path) -> list[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    return [(group, option) for group, option in re.findall(r"^ {2}- (\w+): (\S+)$", text, re.M) if group in GROUPS]


def _group(group: str, title: str) -> str:
    """The page of one group: what each option is, then each option's settings."""
    files = sorted((CONFIGS / group).rglob("*.yaml"), key=lambda path: (path.parent != CONFIGS / group, path))
    lines = [
        f"# {title}",
        "",
        f"`{group}=NAME` chooses one of these. Its settings are `{group}.KEY=VALUE`.",
        "",
        "| name | what it is |",
        "|---|---|",
    ]
    for path in files:
        lines.append(f"| [`{_name(path, group)}`](#{_slug(path, group)}) | {_cell(_says(path))} |")
    shown: dict[str, Key] = {}
    for path in files:
        keys = [key for key in keys_of(path) if key.name != "name"]
        new = [key for key in keys if key.name not in shown]
        changed = [key for key in keys if key.name in shown and key.default != shown[key.name].default]
        lines += ["", f"## `{_name(path, group)}` {{ #{_slug(path, group)} }}", "", _says(path), ""]
        if new and shown:
            lines += ["Settings of its own:", ""]
        if new:
            lines += _table(new)
        if changed:
            if new:
                lines += [""]
            lines += [f"Where it differs from `{_name(files[0], group)}` and the others before it:", "", *_table(changed)]
        if not new and not changed:
            lines += ["As above."]
        for key in new:
            shown[key.name] = key
    return "\n".join(lines) + "\n"


def _name(path: Path, group: str) -> str:
    name = path.relative_to(CONFIGS / group).with_suffix("").as_posix()
    return name.replace("_any", "…")


def _slug(path: Path, group: str) -> str:
    return "option-" + re.sub(r"[^a-z0-9]+", "-", path.relative_to(CONFIGS / group).with_suffix("").as_posix().lower())


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
        lines.append(f"| `{key.name}` | {default} | {key.unit} | {_cell(key.meaning)} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
