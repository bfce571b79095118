"""The setting `engine`: where the jobs of a command run."""

from collections.abc import Iterator
from contextlib import contextmanager

from forearm.common import checks
from forearm.common.engine.crew import Engine
from forearm.common.engine.local import Local
from forearm.common.engine.ray_cluster import ray_cluster
from forearm.common.engine.run import using
from forearm.common.parallel import default_workers
from forearm.errors import ForearmError, did_you_mean
from forearm.settings.compose import Settings
from forearm.settings.schema.engine import ENGINES, LOCAL, RayConfig


@contextmanager
def engine_of(chosen: Settings) -> Iterator[Engine]:
    """Inside, jobs run where the settings say; raises `ForearmError` for settings that make no sense, and like
    `ray_cluster`.
    """
    name, given = chosen["engine"], chosen["ray"]
    if name not in ENGINES:
        raise ForearmError(f"unknown engine '{name}'{did_you_mean(name, ENGINES)}")
    ray = {key: checks.of(RayConfig, key, value, "ray.") for key, value in given.items()}
    if name == LOCAL:
        for key, value in ray.items():
            if value:
                raise ForearmError(f"ray.{key}={value} goes with engine=ray: give that too")
        with using(Local()) as engine:
            yield engine
        return
    if chosen.values.get("live"):
        raise ForearmError("live=true shows what runs on this machine, not engine=ray: leave one out")
    with (
        ray_cluster(ray["address"], chosen["workers"] or default_workers(), ray["gpus"]) as cluster,
        using(cluster) as engine,
    ):
        yield engine
