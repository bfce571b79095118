"""Names for the rows of a table: where two would be the same, they say what differs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from forearm.agent.setup import LEARNED
from forearm.common.dotted import is_dotted
from forearm.errors import ForearmError
from forearm.evaluation.contenders import Contender
from forearm.settings.words import written

LONGEST = 120
"""Characters of a label in a file's name."""
PATHS = ("checkpoint", "heads")


def told_apart(contenders: Sequence[Contender]) -> list[Contender]:
    """The same contenders, with names that differ.

    Raises `ForearmError` for two that are the same in everything.
    """
    alike: dict[str, list[Contender]] = {}
    for contender in contenders:
        alike.setdefault(contender.label, []).append(contender)
    words: dict[str, str] = {}
    for label, group in alike.items():
        if len({_content(one) for one in group}) < len(group):
            raise ForearmError(f"{label} is there twice, with the same settings and checkpoint: leave one out")
        if len(group) > 1:
            words |= zip((one.key for one in group), differences([one.identity for one in group]), strict=True)
    return [replace(one, apart=words[one.key]) if one.key in words else one for one in contenders]


def _content(contender: Contender) -> str:
    """Everything that it is made of; a checkpoint by where it lies, however that was written."""
    from forearm.world_model.runtime.checkpoint import find

    named = str(contender.task["checkpoint"])
    if contender.dynamics != LEARNED or is_dotted(named) or (path := find(named)) is None:
        return contender.key
    task = {**contender.task, "checkpoint": str(path.resolve())}
    return json.dumps({**contender.document, "task": task}, sort_keys=True, default=str)


def file_stem(label: str) -> str:
    """A label as the beginning of a file's name; other labels have other ones."""
    import hashlib

    name, _, apart = label.partition(" ")
    stem = name.replace("/", "-").replace(":", ".") + (apart and f"-{quote(apart, safe='=,+[]')}")
    if len(stem) <= LONGEST:
        return stem
    return f"{stem[: LONGEST - 9]}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def differences(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each document `key=value,...` of what is not the same in all of them."""
    flat = [dict(_leaves(document)) for document in documents]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    differing = [key for key in keys if len({repr(one.get(key)) for one in flat}) > 1]
    if len(differing) > 1 and "checkpoint" in differing:  # its hash: names say it as well
        differing.remove("checkpoint")
    if {"task.checkpoint", "task.resolution"} <= set(differing):  # the model's
        differing.remove("task.resolution")
    columns = [_column(key, [one.get(key) for one in flat]) for key in differing]
    return [",".join(row) for row in zip(*columns, strict=True)]


def _column(key: str, values: Sequence[Any]) -> list[str]:
    """`key=value` of one key in every document: the last part of a path, if that is enough."""
    name = key.removeprefix("planner.").removeprefix("task.")
    texts = [written(value) for value in values]
    if name in PATHS:
        short = [PurePath(text).name.removesuffix(".json") for text in texts]
        texts = short if len(set(short)) == len(set(texts)) else texts
    return [f"{name}={text}" for text in texts]


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
