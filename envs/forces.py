"""The built-in tasks with force and torque among the readings: `use=[forearm.envs.forces]`, `task=forces/push`."""

from forearm.envs.arm.env import ArmEnv
from forearm.envs.arm.tasks import TASKS
from forearm.envs.registry import register_environments


class Forces(ArmEnv):
    """A built-in task whose `proprio` ends with joint torques and the force at the wrist."""

    def __init__(self, name: str, camera: str | None = None, resolution: int = 64) -> None:
        super().__init__(name, camera or "front", resolution, forces=True)
        self.name = f"forces/{name}"


register_environments("forces", Forces, list(TASKS))
