"""Settings of where the jobs of a command run."""

from dataclasses import dataclass

from forearm.common import checks

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)


@dataclass
class RayConfig:
    """A Ray cluster.

    Attributes:
        address: with engine=ray: auto, for the cluster of which this machine is a part, or HOST:PORT of its head;
            null: one of this machine alone, started and stopped by the command.
        gpus: with engine=ray: of a GPU, for each job; 0: they run on CPUs.
    """

    address: str | None = None
    gpus: float = checks.setting(0.0, checks.real, least=0.0)
