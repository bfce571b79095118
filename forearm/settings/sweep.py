"""Settings with several values in one comparison: `planner.horizon=8,12 seed=0,1`, or lists, `planner.horizon=[8,12]`.

Each combination is a planner, or a task, of its own in one table.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from forearm.common.files import place
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.settings.schema import GROUPS, of_option
from forearm.settings.schema.fields import walk
from forearm.settings.words import PATHS, items, unquoted

SWEPT = ("task", "planner")


def load(command: str, overrides: Sequence[str] = ()) -> settings.Settings:
    """Like `settings.load`, with as many configs of tasks and planners as their settings have combinations.

    Those of one option are called `cem`, `cem samples=9`, by what was set. `seed` becomes a list of whole numbers where
    it has several values. Raises `ForearmError` like `settings.load`.
    """
    whole = [word for word in overrides if not _several(word)]
    several = {word: values for word in overrides if len(values := _values(word, whole)) > 1}
    seeds = next((values for word, values in several.items() if _key(word) == "seed"), None)
    combined = {word: values for word, values in several.items() if _key(word) != "seed"}
    usual = [word if word not in several else f"{_key(word)}={several[word][0]}" for word in overrides]
    first = settings.load(command, usual)
    if not several:
        return first
    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
        group: {name: {} for name in first.all(group)} for group in SWEPT
    }
    for chosen in itertools.product(*combined.values()):
        one = {word: f"{_key(word)}={value}" for word, value in zip(combined, chosen, strict=True)}
        settled = settings.load(command, [one.get(word, usual[n]) for n, word in enumerate(overrides)])
        for group, options in found.items():
            for name, configs in options.items():
                config = settled.all(group)[name]
                if config not in configs.values():
                    told = ",".join(word for word in one.values() if _changes(word, group, name))
                    configs[f"{name} {told}".strip()] = config
    own = first.values if seeds is None else {**first.values, "seed": _whole(command, seeds)}
    groups = {group: {told: c for of in found[group].values() for told, c in of.items()} for group in SWEPT}
    return settings.Settings(command, own, {**first.groups, **groups})


def _whole(command: str, seeds: Sequence[str]) -> list[int]:
    found = [settings.load(command, [f"seed={seed}"])["seed"] for seed in seeds]
    if len(set(found)) < len(found):
        raise ForearmError(f"seed={','.join(seeds)} names something twice")
    return found


def _key(word: str) -> str:
    return word.partition("=")[0].strip()


def _changes(word: str, group: str, name: str) -> bool:
    return _key(word).startswith((f"{group}.", f"{name}."))


def _several(word: str) -> bool:
    """Whether a word may have several values that are not yet to be looked at."""
    key, _, text = word.partition("=")
    return key.strip() not in GROUPS and ("," in text or "(" in text)


def _values(word: str, whole: Sequence[str]) -> list[str]:
    """The values of a word as they would be typed one by one; one where it is not to be swept."""
    key, equals, text = word.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not _several(word) or not (key == "seed" or _is_swept(key)):
        return [text]
    if key.rpartition(".")[2] in PATHS and place(text).exists():
        return [text]
    if text.startswith("[") and text.endswith("]"):
        return [text] if _takes_lists(key, whole) else items(text)
    return listed(f"{key}={text}", f"write the values, {key}=1,2, choice or range")


def listed(word: str, remedy: str) -> list[str]:
    """The values of a word in Hydra's language, as they would be typed one by one; one where it is no list.

    Raises `ForearmError` for what no list of values can be made of; `remedy` is what to write then.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob
    from hydra.errors import HydraException

    key, _, text = word.partition("=")
    try:
        override = OverridesParser.create().parse_override(f"value={text}")
    except HydraException:
        return [text]  # a path, say; what it should not be is told where it is read
    if not override.is_sweep_override():
        return [text]
    if not override.is_discrete_sweep():
        raise ForearmError(f"{word}: {remedy}")
    found = override.value()
    values = found.filter(settings.options(key)) if isinstance(found, Glob) else list(override.sweep_string_iterator())
    if not values:
        raise ForearmError(f"{word} stands for nothing")
    return [unquoted(value) for value in values] if key.rpartition(".")[2] in PATHS else values


def _is_swept(key: str) -> bool:
    """Whether a key is of planners or tasks."""
    names = [name for group in SWEPT for name in (group, *settings.options(group))]
    return any(key.startswith(f"{name}.") for name in names)


def _takes_lists(key: str, whole: Sequence[str]) -> bool:
    """Whether a list in brackets is one value of a setting, as of `planner.knots` or `task.proposals`."""
    if key == "seed":
        return False
    chosen = settings.load("compare", [word for word in whole if _key(word) in GROUPS])
    head, _, rest = key.partition(".")
    for group in SWEPT:
        for name, config in chosen.all(group).items():
            if key.startswith(f"{name}."):
                head, rest = group, key[len(name) + 1 :]
            kind = of_option(group, config) if head == group else None
            types = {item.name: item.type for item in walk(kind, group)} if kind else {}
            if head == group and rest in types:
                return "[" in types[rest] or types[rest] == "any"
    return True
