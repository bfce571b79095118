"""Environments by name: `push` is built in, `ogbench/cube-single` is a benchmark's, `mine/stack` may be yours.

A benchmark's package is imported only when one of its tasks is made.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import operator
from collections.abc import Callable, Sequence
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from forearm.envs.arm.env import ArmEnv
from forearm.envs.arm.tasks import TASKS, Task
from forearm.envs.backend import mujoco
from forearm.envs.benchmarks.catalog import BENCHMARKS, EXTRAS, LIBRARIES, PACKAGES
from forearm.envs.contract import Environment
from forearm.errors import ForearmError, InputError, nearest

Factory = Callable[..., Environment]
"""Called with a name without its prefix, a camera (or None) and a resolution."""

_ADAPTERS = {
    "ogbench": ("forearm.envs.benchmarks.ogbench.env", "OGBench"),
    "metaworld": ("forearm.envs.benchmarks.metaworld", "MetaWorld"),
    "fetch": ("forearm.envs.benchmarks.fetch.env", "Fetch"),
    "pusht": ("forearm.envs.benchmarks.pusht.env", "PushT"),
}
_OWN: dict[str, tuple[Factory, tuple[str, ...]]] = {}


class MissingExtra(ForearmError, ImportError):
    """A benchmark's package is not installed, or not in a version that can run; the message says what to install."""


def names() -> list[str]:
    """Every task that can be made, whether or not its benchmark is installed."""
    known = {prefix: tasks for prefix, tasks in BENCHMARKS.items() if prefix not in _OWN}
    known |= {prefix: tasks for prefix, (_, tasks) in _OWN.items()}
    return [*TASKS, *(f"{prefix}/{task}" if task else prefix for prefix, tasks in known.items() for task in tasks)]


def make(task: str | Task, camera: str | None = None, resolution: int = 64) -> Environment:
    """The environment of `task`, seen by `camera` (null: its first) at `resolution` pixels.

    Raises:
        ValueError: an unknown task or camera; the nearest names are given.
        MissingExtra: the task's benchmark is not installed, or cannot run beside the mujoco that is.
    """
    if isinstance(task, Task) or task in TASKS:
        return ArmEnv(task, camera or "front", resolution)
    prefix, slash, name = task.partition("/")
    if prefix in _OWN:
        factory, tasks = _OWN[prefix]
        _check(task, name, tasks)
        return factory(name, camera, resolution)
    if prefix in _ADAPTERS and (not slash if _alone(prefix) else name):
        _check(task, name, BENCHMARKS[prefix])
        made: Environment = _adapter(prefix)(name, camera, resolution)
        return made
    raise InputError(f"unknown task '{task}'{_nearest(task, names())}")


def register_environments(prefix: str, factory: Factory, tasks: Sequence[str]) -> None:
    """Makes environments of your own known as `prefix/task`.

    Args:
        prefix: the first part of their names; one that is taken is replaced.
        factory: `factory(task, camera, resolution) -> Environment`, see `envs.contract`.
        tasks: the names that it knows.

    Raises:
        ValueError: a prefix or a name that cannot be part of a task's name.
    """
    for part in (prefix, *tasks):
        if not part or not part.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise InputError(f"'{part}' cannot be part of a task's name: use letters, digits, '-', '_' and '.'")
    _OWN[prefix] = (factory, tuple(tasks))


def check_installed(task: str) -> None:
    """Raise `MissingExtra` for a task of a benchmark that cannot run here; nothing is imported or built.

    Told before anything else is looked for: what a task's world model or data lack matters only where it can run.
    """
    prefix, slash, _ = task.partition("/")
    meant = prefix in _ADAPTERS and prefix not in _OWN and (slash or _alone(prefix))
    if meant and (reason := obstacle(prefix)) is not None:
        raise MissingExtra(reason)


def obstacle(benchmark: str) -> str | None:
    """Why the tasks of `benchmark`, one of `BENCHMARKS`, cannot run here and what to do about it; None if they can.

    Only versions and names are looked at; nothing is imported.
    """
    extra, installed, wanted = EXTRAS[benchmark], mujoco.__version__, mujoco_range(benchmark)
    if not wanted.contains(Version(installed).base_version):  # a release candidate counts as the release
        said = ",".join(str(bound) for bound in sorted(wanted, key=lambda bound: Version(bound.version)))
        return (
            f"{_need(benchmark)} mujoco{said}, but mujoco {installed} is installed: "
            f"give them an environment of their own, made with pip install 'forearm[{extra}]'"
        )
    if importlib.util.find_spec(PACKAGES[benchmark]) is None:
        return f"{_need(benchmark)} the extra '{extra}', which is not installed: {_install(extra)}"
    return None


@functools.cache
def mujoco_range(benchmark: str) -> SpecifierSet:
    """The releases of mujoco that `benchmark` runs beside: those that the extra of the installed package asks for.

    Any, where the package is imported without being installed, and so says nothing.
    """
    try:
        lines = importlib.metadata.requires("forearm") or []
    except importlib.metadata.PackageNotFoundError:
        return SpecifierSet()
    asked = [line for line in map(Requirement, lines) if line.name == "mujoco" and line.marker is not None]
    chosen = [line.specifier for line in asked if line.marker and line.marker.evaluate({"extra": EXTRAS[benchmark]})]
    return functools.reduce(operator.and_, chosen, SpecifierSet())


def _adapter(prefix: str) -> Any:
    reason = obstacle(prefix)
    if reason is not None:
        raise MissingExtra(reason)
    module, name = _ADAPTERS[prefix]
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        extra, lacking = EXTRAS[prefix], prefix in LIBRARIES and ".so" in str(error)
        remedy = f"on Debian, apt-get install {LIBRARIES[prefix]}" if lacking else _install(extra)
        raise MissingExtra(
            f"{_need(prefix)} the extra '{extra}', and what is installed does not fit ({error}): {remedy}"
        ) from error


def _alone(benchmark: str) -> bool:
    """Whether a benchmark has one task only, which goes by the prefix alone."""
    return BENCHMARKS.get(benchmark) == ("",)


def _need(benchmark: str) -> str:
    return f"task '{benchmark}' needs" if _alone(benchmark) else f"tasks '{benchmark}/...' need"


def _install(extra: str) -> str:
    return f"pip install 'forearm[{extra}]'"


def _check(task: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        prefix = task.partition("/")[0]
        near = nearest(name, known, 3)
        raise InputError(f"unknown task '{task}'{_named([f'{prefix}/{one}' for one in near or known], bool(near))}")


def _nearest(task: str, known: Sequence[str]) -> str:
    near = nearest(task, known, 3)
    return _named(near or known, bool(near))


def _named(known: Sequence[str], near: bool) -> str:
    """What to say after an unknown name: those it may have meant, or some of those there are."""
    if near:
        return f"; did you mean {' or '.join(known)}?"
    return f": expected one of {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"
