"""What Hydra's users know: `--multirun`, one job for each combination of values, and `--cfg`, the settings as YAML."""

import itertools
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from forearm.common.addresses import is_address
from forearm.common.files import place, write_json
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.settings import sweep

Main = Callable[[Sequence[str]], int]
"""A command: from its words to its exit code."""
FOLDER = "outputs/multirun"
"""Where jobs write, in a folder of date and time, unless `out` says otherwise."""


def jobs(words: Sequence[str]) -> list[list[str]]:
    """The words of every job, the last setting varying fastest.

    `seed=1,2` has two values, `samples=range(32,128,32)`, `alpha=choice(0,0.1)` and `planner=glob(c*)` several. Values
    in brackets or quotes are one. Raises `ForearmError` for what no list of values can be made of.
    """
    return [list(job) for job in itertools.product(*map(_each, words))]


def multirun(command: str, words: Sequence[str], main: Main, say: Callable[[str], None]) -> int:
    """Run every job in turn, each with an `out` of its own, and return the largest exit code.

    The settings of all jobs are checked before the first begins; a job that fails is the last. Raises `ForearmError`.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ForearmError("--multirun trains one after the other: give torchrun one job at a time")
    todo = jobs(words)
    chosen = [settings.load(command, job) for job in todo]
    outs, usual = [job["out"] for job in chosen], settings.load(command)["out"]
    if len(set(outs)) < len(todo) or outs == [usual]:
        outs = _numbered(outs, usual)
        for folder in sorted({_above(out, 2 if usual else 1) for out in outs}):
            inside = {out: job for out, job in zip(outs, todo, strict=True) if Path(folder) in Path(out).parents}
            write_json(place(folder) / "multirun.json", {"command": command, "jobs": inside})
    codes = []
    for number, (job, out) in enumerate(zip(todo, outs, strict=True)):
        say(f"#{number}: {' '.join(job)}")
        codes.append(main([*(word for word in job if word.partition("=")[0].strip() != "out"), f"out={out}"]))
    return max(codes)


def shown(command: str, words: Sequence[str], package: str | None) -> str:
    """The settings of a command as YAML, or those below one key, such as `planner`. Raises `ForearmError`."""
    from omegaconf import OmegaConf

    load = sweep.load if command == "compare" else settings.load
    found = OmegaConf.create(load(command, words).shown())
    part = OmegaConf.select(found, package) if package else found
    if not OmegaConf.is_config(part):
        raise ForearmError(f"--package {package}: there are no settings below this key")
    return OmegaConf.to_yaml(part).rstrip()


def _each(word: str) -> list[str]:
    """A word for each of its values."""
    key, equals, _ = word.partition("=")
    if not equals:
        return [word]
    remedy = f"--multirun takes lists of values: {key}=1,2, choice, range or glob"
    return [f"{key}={value}" for value in sweep.listed(word, remedy)]


def _numbered(outs: Sequence[str | None], usual: str | None) -> list[str]:
    """A place for each job: FOLDER/0, FOLDER/1, ... or, of a command that has a file for `usual`, FOLDER/0/FILE, ..."""
    today = Path(FOLDER) / datetime.now().strftime("%Y-%m-%d/%H-%M-%S") / (usual or "")
    numbered = []
    for number, out in enumerate(outs):
        base = str(today) if out in (usual, None) else str(out) if is_address(out) else str(place(str(out)))
        if usual:
            numbered.append(f"{_above(base, 1)}/{number}/{base.rpartition('/')[2]}")
        else:
            numbered.append(f"{base.rstrip('/')}/{number}")
    return [out if is_address(out) else str(Path(out)) for out in numbered]


def _above(out: str, levels: int) -> str:
    """The folder so many levels above a path or an address."""
    return out.rsplit("/", levels)[0] if is_address(out) else str(Path(out).parents[levels - 1])
