"""What the machines of a cluster must have alike."""

import hashlib
import os
import platform
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from forearm.common.version import VERSION
from forearm.errors import ForearmError

SECONDS = 60.0
"""That a machine may take to start a process and answer."""


@cache
def here() -> str:
    """Versions of this process: Python, and forearm with a hash of its code."""
    return f"Python {platform.python_version()}, forearm {VERSION} ({_code_sha256()[:12]})"


def _code_sha256() -> str:
    """Hash of the package's modules."""
    digest, root = hashlib.sha256(), Path(str(files("forearm")))
    found = [Path(folder) / name for folder, _, names in os.walk(root, followlinks=True) for name in names]
    for path in sorted(path for path in found if path.suffix == ".py"):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def check_nodes(ray: Any, address: str | None) -> None:
    """Raise `ForearmError` unless every machine of the cluster has the versions that are here.

    Those that come later are looked at when they get a job.
    """
    if address is None:
        return
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    def told() -> str:  # sent as it is, as forearm may be missing there
        import platform

        try:
            from forearm.common.engine.versions import here
        except ImportError as error:
            return f"Python {platform.python_version()}, and no such forearm ({error})"
        return here()

    ask = ray.remote(num_cpus=0, max_retries=0)(told)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    asked = {
        ask.options(scheduling_strategy=On(node["NodeID"], soft=False)).remote(): node["NodeManagerAddress"]
        for node in nodes
    }
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=SECONDS) if asked else ([], [])
    for reference in ready:
        try:
            found = ray.get(reference)
        except ray.exceptions.RayError:  # lost meanwhile
            continue
        if found != here():
            raise ForearmError(
                f"ray.address={address}: {asked[reference]} has {found}, this command {here()}: install the same there"
            )
