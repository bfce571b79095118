"""Settings of a command: Hydra configs, overridden by `key=value` words, with one-line errors.

`task` and `planner` may be lists. An override `planner.samples=200` goes to every selected planner that has
such a key, `cem.samples=200` to that one; `task.` and a task's own name work in the same way.

Tasks of a benchmark, such as `metaworld/door-open-v3`, need no file each: those without one share the benchmark's
`_any.yaml`.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from forearm.common import checks, twins
from forearm.common.dotted import is_dotted
from forearm.common.files import place
from forearm.errors import ForearmError, did_you_mean, nearest
from forearm.settings import words as texts
from forearm.settings.recipe import LEARN, RECIPE, recipe
from forearm.settings.schema import GROUPS, of_command, of_option
from forearm.settings.schema.bucket import BucketConfig
from forearm.settings.schema.checked import complete
from forearm.settings.schema.fields import walk

OWN_CONFIGS = "FOREARM_CONFIGS"
"""Environment variable with folders of configs of the user's own, laid out like configs/."""
LIST_GROUPS = ("task", "planner")
ONE_PLANNER = ("run", "plan", "serve", "mcp", "ros2", "collect", "practice", "learn")
"""Commands that plan one task with one planner unless they are told: that of the task's config, if none is named."""
ANY = "_any"
"""Stem of the config that a benchmark's tasks share."""


@dataclass(frozen=True)
class Settings:
    """Resolved settings of one command.

    `values` are the command's own keys; `groups[group]` maps each selected option to its config.
    """

    command: str
    values: dict[str, Any]
    groups: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        """A key of the command's own, which must be within its limits. Raises `ForearmError`."""
        return checks.of(of_command(self.command), key, self.values[key])

    def all(self, group: str) -> dict[str, dict[str, Any]]:
        """Every selected option of `group`, in the order in which it was named."""
        return self.groups[group]

    def one(self, group: str) -> dict[str, Any]:
        """The only selected option of `group`. Raises `ForearmError` when several were named."""
        selected = self.groups[group]
        if len(selected) > 1:
            raise ForearmError(
                f"'{self.command}' takes one {group}, not {len(selected)} ({', '.join(selected)}); "
                "'forearm compare' takes several"
            )
        return next(iter(selected.values()))

    def shown(self) -> dict[str, Any]:
        """All settings by group and key; where several options of a group were named, by their names as well."""
        groups = {group: {**chosen} if len(chosen) > 1 else self.one(group) for group, chosen in self.groups.items()}
        return {**groups, **self.values}


def options(group: str) -> list[str]:
    """Names of the configs in `group`, in alphabetical order; the tasks of a benchmark among them."""
    return list(_options(group, _own_folders()))


def describe(group: str, name: str) -> str:
    """What the config `name` of `group` says about itself: the comment in its first line."""
    shared = f"{name.partition('/')[0]}/{ANY}"
    for path in (folder / group / f"{stem}.yaml" for stem in (name, shared) for folder in _folders()):
        if path.is_file():
            first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
            return first.removeprefix("#").strip() if first.startswith("#") else ""
    return ""


def load(command: str, overrides: Sequence[str] = ()) -> Settings:
    """Compose the settings of `command` from its defaults and `key=value` overrides.

    Raises `ForearmError` for a word that is not `key=value`, an unknown key or option (the nearest is
    named), a value of the wrong kind, or a list where one value is wanted.
    """
    chosen: dict[str, list[str]] = {}
    plain: list[tuple[str, str]] = []
    for key, value in map(_split, overrides):
        if key in GROUPS:
            chosen[key] = _names(key, value)
        else:
            plain.append((key, value))
    default = _composed(command, None, "", _own_folders())
    present = [group for group in GROUPS if group in default]
    for group in chosen:
        if group not in present:
            raise ForearmError(f"'{command}' has no {group} to choose")
    selected = {group: chosen.get(group) or [str(default[group]["name"])] for group in present}
    if command in ONE_PLANNER and "planner" not in chosen and ("dynamics", "oracle") not in plain:
        selected["planner"] = _usual_planner(command, selected["task"], dict(plain)) or selected["planner"]
    for group, names in selected.items():
        for name in names:
            if name not in options(group) and not (group == "planner" and is_dotted(name)):
                raise ForearmError(f"unknown {group} '{name}'{_near_option(group, name)}")

    groups = {group: {name: option(group, name, command) for name in names} for group, names in selected.items()}
    values = complete(of_command(command), {key: default[key] for key in default if key not in GROUPS}, command)
    if command == LEARN and len(selected["task"]) == 1:
        _follow_recipe(selected["task"][0], chosen, values, groups)
    for key, text in plain:
        _apply(command, key, text, values, groups)
    if (bucket := values.get("bucket")) is not None:
        twins.set_limit(checks.of(BucketConfig, "cache_gb", bucket["cache_gb"], "bucket."))
    return Settings(command, values, groups)


def _follow_recipe(
    task: str, chosen: Iterable[str], values: dict[str, Any], groups: dict[str, dict[str, dict[str, Any]]]
) -> None:
    """Set what the recipe of `task` says, if it has one, but of the groups from which somebody has chosen."""
    for key, text in recipe(task, _own_folders()) if task in _files(RECIPE) else ():
        if key.partition(".")[0] in chosen:
            continue
        try:
            _apply(LEARN, key, text, values, groups)
        except ForearmError as error:
            raise ForearmError(f"the config {RECIPE}/{task}: {error}") from None


def _usual_planner(command: str, tasks: Sequence[str], words: Mapping[str, str]) -> list[str]:
    """The planner that a task's config asks for, in a list; none of several tasks, of one that is silent or unknown,
    and with another checkpoint than the task's own, which may lack what that planner needs.
    """
    if len(tasks) != 1 or tasks[0] not in options("task"):
        return []
    told = {key: words.get(f"task.{key}", words.get(f"{tasks[0]}.{key}")) for key in ("planner", "checkpoint")}
    usual = told["planner"] or (
        None if told["checkpoint"] or words.get("model") else option("task", tasks[0], command).get("planner")
    )
    return [str(usual)] if usual else []


def _apply(
    command: str, key: str, text: str, values: dict[str, Any], groups: dict[str, dict[str, dict[str, Any]]]
) -> None:
    """Set one override wherever it belongs, or say what it may have meant."""
    head, rest = _divided(key, groups)
    targets = [
        (of_option(group, target), target)
        for group, chosen in groups.items()
        for name, target in chosen.items()
        if rest and head in ((group,) if head in groups else (name,))
    ]
    if targets:
        having = [(kind, target) for kind, target in targets if _has(target, rest)]
        if not having:
            known = {f"{head}.{name}" for _, target in targets for name in leaves(target)}
            raise ForearmError(f"unknown key '{key}'{_near_key(key, known)}")
        for kind, target in having:
            _assign(kind, target, rest, key, text)
        return
    if rest and head not in values:
        for group in groups:
            if head in options(group):
                raise ForearmError(f"'{key}' was set, but {group}={head} is not selected")
    if not _has(values, key):
        known = set(leaves(values)) | set(groups)
        for group, chosen in groups.items():
            known |= {f"{group}.{name}" for target in chosen.values() for name in leaves(target)}
            if rest:
                known |= {f"{name}.{leaf}" for name, target in chosen.items() for leaf in leaves(target)}
        raise ForearmError(f"'{command}' has no key '{key}'{_near_key(key, known)}")
    _assign(of_command(command), values, key, key, text)


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ForearmError(f"settings are written key=value, not '{word}'")
    return key, value


def _divided(key: str, groups: Iterable[str]) -> tuple[str, str]:
    """A key's first part, such as a task's name, which may have dots of its own, and the rest; raises `ForearmError`
    for what cannot be a key.
    """
    known = [name for group in groups for name in options(group) if key.startswith(f"{name}.")]
    head = max(known, key=len, default=key.partition(".")[0])
    rest = key[len(head) + 1 :]
    parts = rest.split(".") if len(key) > len(head) else []
    if not (known or _HEAD.fullmatch(head)) or not all(part.isidentifier() for part in parts):
        raise ForearmError(f"'{key}' is not the name of a setting; settings are written key=value")
    return head, rest


def _names(group: str, value: str) -> list[str]:
    """`push`, `[reach,push]` or `reach,push` as a list without repetition; `built-in` stands for several tasks."""
    names = [value] if value in options(group) else texts.items(value.strip())
    if not names or not all(names):
        raise ForearmError(f"{group}= needs a name; choose from {', '.join(options(group))}")
    if group == "task":
        from forearm.envs.benchmarks.catalog import SETS

        names = [task for name in names for task in SETS.get(name, (name,))]
    if len(set(names)) < len(names):
        raise ForearmError(f"{group}={value.strip()} names something twice")
    if len(names) > 1 and group not in LIST_GROUPS:
        raise ForearmError(f"one {group} can be chosen, not {len(names)}")
    return names


def _assign(kind: type[Any] | None, target: dict[str, Any], dotted: str, key: str, text: str) -> None:
    """Set what `dotted` names in a config, `target`, whose dataclass is `kind`."""
    types = [item.type for item in walk(kind, "") if item.name == dotted] if kind is not None else []
    nullable, steps = (
        any(said.endswith("| null") for said in types),
        any(said.startswith("int | str") for said in types),
    )
    *parents, leaf = dotted.split(".")
    for parent in parents:
        target = target[parent]
    if isinstance(target[leaf], dict) and "factors" in target[leaf]:  # vary=[light] is short for vary.factors=[light]
        target, leaf = target[leaf], "factors"
    if isinstance(target[leaf], dict):
        raise ForearmError(f"'{key}' holds several settings; set one of them: {', '.join(sorted(target[leaf]))}")
    target[leaf] = texts.read(key, text, target[leaf], nullable, steps)


_HEAD = re.compile(r"[A-Za-z_][\w/-]*")
"""What the first part of a key may be, beside the name of an option."""


def _has(config: Mapping[str, Any], dotted: str) -> bool:
    value: Any = config
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return dotted != "name" or "name" not in config


def leaves(config: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Every key of a config that holds a value, with dots."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        elif prefix + str(key) != "name":
            yield prefix + str(key)


def _near_key(key: str, known: Iterable[str]) -> str:
    """The nearest key: as a whole, or one whose last part is near to the last part of `key`."""
    names = sorted(set(known), key=lambda name: (name.partition(".")[0] not in GROUPS, name))
    last = key.rpartition(".")[2]
    by_last = {name.rpartition(".")[2]: name for name in reversed(names)}
    near = [by_last[last]] if last in by_last else nearest(key, names, cutoff=0.6)
    near = near or [by_last[part] for part in nearest(last, by_last, cutoff=0.6)]
    return f"; did you mean '{near[0]}'?" if near else did_you_mean(key, names)


def option(group: str, name: str, command: str = "") -> dict[str, Any]:
    """A fresh copy of the config `name` of `group`, complete: as its file says, and else as its dataclass does.

    A planner of one's own, `module:Class`, needs no file.

    `command` is one that has the group; its name is in what is said about files that make no config. Raises
    `ForearmError` for those, and for settings that there are not or that must be given and are not.
    """
    if group == "planner" and is_dotted(name):
        kind = of_option(group, {"name": name})
        assert kind is not None
        return complete(kind, {"name": name}, f"planner={name}")
    return deepcopy(_option(command or _COMMAND_OF.get(group, "compare"), group, name, _own_folders()))


_COMMAND_OF = {"world_model": "train", "robot": "plan"}
"""A command for each group that `compare` has not."""


@cache
def _option(command: str, group: str, name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    prefix = name.partition("/")[0]
    shared = name not in _files(group)
    given = _composed(command, None, "", folders).get(group, {})
    if given.get("name") != name:  # not what the command takes unless it is told
        given = _composed(command, group, f"{prefix}/{ANY}" if shared else name, folders)[group]
    given = {**given, "name": name} if shared else {"name": name, **given}
    if group == "task" and "checkpoint" not in given and f"{prefix}/{ANY}" in _files(group):
        given["checkpoint"] = name.replace("/", "-")
    kind = of_option(group, given)
    if kind is None:
        return given
    found = complete(kind, given, f"{group}={name}")
    if group == "robot" and found["model"] is not None:
        found["model"] = str(_beside(group, name, place(str(found["model"]))))
    if group == "task" and "checkpoint" not in found:
        raise ForearmError(
            f"the config task={name} lacks checkpoint: begin it with the settings of another task, "
            "'defaults: [/task/reach@_here_, _self_]'"
        )
    return found


@cache
def _composed(command: str, group: str | None, name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    from forearm.settings.yaml_files import compose

    config = compose(command, {} if group is None else {group: name}, folders)
    for part in GROUPS:
        if part in config and not isinstance(config[part], dict):
            raise ForearmError(f"the config {part}={name} holds no settings, but {config[part]}")
    return config


@cache
def _options(group: str, folders: tuple[Path, ...]) -> tuple[str, ...]:
    found = {name for name in _files(group) if not name.endswith(f"/{ANY}")}
    if group == "task":
        from forearm.envs.benchmarks.catalog import BENCHMARKS

        shared = [prefix for prefix in BENCHMARKS if f"{prefix}/{ANY}" in _files(group)]
        found |= {f"{prefix}/{task}" for prefix in shared for task in BENCHMARKS[prefix]}
    return tuple(sorted(found))


def _files(group: str) -> frozenset[str]:
    """Names of the config files of `group`: paths below it, without their suffix."""
    paths = [(path, folder / group) for folder in _folders() for path in _below(folder / group)]
    return frozenset(path.relative_to(root).as_posix().removesuffix(".yaml") for path, root in paths)


def _below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.yaml") if path.is_file()] if folder.is_dir() else []


def _beside(group: str, name: str, path: Path) -> Path:
    """A path that a config names: relative to the folder of the config's own file."""
    files = [folder / group / f"{name}.yaml" for folder in _folders()]
    return next((file.parent for file in files if file.is_file()), Path()) / path


def _near_option(group: str, name: str) -> str:
    """The nearest options; among the tasks of one benchmark, if it is one of those that is meant."""
    prefix, _, rest = name.partition("/")
    inside = [option for option in options(group) if option.startswith(f"{prefix}/")]
    if not rest or not inside:
        return did_you_mean(name, options(group))
    tasks = [option.partition("/")[2] for option in inside]
    near = [f"{prefix}/{task}" for task in nearest(rest, tasks, 3)]
    return f"; did you mean {' or '.join(near)}?" if near else f"; choose from {', '.join(inside)}"


def _folders() -> list[Path]:
    """Where configs are looked for: those of this package, then folders of the user's own."""
    from importlib.resources import files

    return [Path(str(files("forearm.configs"))), *_own_folders()]


def _own_folders() -> tuple[Path, ...]:
    named = os.environ.get(OWN_CONFIGS, "")
    folders = tuple(place(name).absolute() for name in named.split(os.pathsep) if name)
    for folder in folders:
        if not folder.is_dir():
            raise ForearmError(f"{OWN_CONFIGS} names {folder}, which is no folder")
    return folders
