"""Who is compared: what plans, or acts without planning, with the seed and the rules of its episodes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from forearm.agent.setup import LEARNED, ORACLE, PlanningSetup
from forearm.evaluation.code_hash import code_sha256
from forearm.evaluation.env_pool import environment


@dataclass(frozen=True, eq=False)
class Contender:
    """Everything that decides how the episodes of a contender go, apart from the episodes themselves.

    Two are equal whose keys are, so that one can be the key of a cache. `protocol` is a config as in configs/, `use`
    names modules of the user's own.
    """

    setup: PlanningSetup
    seed: int
    use: tuple[str, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Mapping[str, Any]:
        """The task's config, as the planner wants it."""
        return self.setup.task

    @property
    def dynamics(self) -> str:
        """On what it plans: `learned`, `oracle` or `none`."""
        return self.setup.dynamics

    @property
    def task_name(self) -> str:
        """The task's name."""
        return str(self.task["name"])

    @property
    def planner_name(self) -> str:
        """The planner's or policy's name."""
        return self.setup.planner_name

    @property
    def label(self) -> str:
        """A name for files and progress bars."""
        return label_of(self.task_name, self.planner_name, self.dynamics)

    @property
    def document(self) -> dict[str, Any]:
        """All of it as plain values; a checkpoint by its fingerprint."""
        setup = self.setup
        return {
            "task": dict(setup.task),
            "planner": dict(setup.planner_config),
            "dynamics": setup.dynamics,
            "seed": self.seed,
            "replan_every": setup.replan_every,
            "checkpoint": setup.fingerprint,
            "use": list(self.use),
            "protocol": dict(self.protocol),
        }

    @cached_property
    def key(self) -> str:
        """Hash of everything in this contender and of the code: outcomes stored under it are its outcomes."""
        parts = [code_sha256(), self.document]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contender) and self.key == other.key

    def check(self) -> None:
        """Raise `ForearmError` where its environment takes commands that its checkpoint does not know."""
        if self.dynamics == LEARNED:
            self.setup.check_commands(environment(self.task_name, self.task["camera"], self.task["resolution"]))


def label_of(task: str, planner: str, dynamics: str) -> str:
    """A name for files and progress bars."""
    return f"{task}-{planner}{'-oracle' if dynamics == ORACLE else ''}"
