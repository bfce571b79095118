"""Who is compared: what plans, or acts without planning, with the seed and the rules of its episodes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from forearm.agent.action_spec import ActionSpec
from forearm.agent.guided import PRIOR
from forearm.agent.latent import proposals_of
from forearm.agent.setup import BASELINES, CPU, LEARNED, ORACLE, PlanningSetup
from forearm.evaluation.code_hash import code_sha256
from forearm.evaluation.env_pool import environment
from forearm.evaluation.own_code import own_code_sha256
from forearm.evaluation.protocol import rules_of

if TYPE_CHECKING:
    from forearm.envs.variation.factors import Variation


@dataclass(frozen=True, eq=False)
class Contender:
    """Everything that decides how the episodes of a contender go, apart from the episodes themselves.

    Two are equal whose keys are, so that one can be the key of a cache. `protocol` is a config as in configs/, `use`
    names modules of the user's own; with `to_end` episodes run on after their first success. `variation` says what is
    otherwise than in training, `goal_varies` whether it is on the goal picture too. `apart` says what tells it from
    others of its name in one table.
    """

    setup: PlanningSetup
    seed: int
    use: tuple[str, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    to_end: bool = False
    apart: str = ""
    variation: "Variation | None" = None
    goal_varies: bool = False

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
    def name(self) -> str:
        """That of its row in the table of its task."""
        return name_of(self.planner_name, self.dynamics) + self._said

    @property
    def label(self) -> str:
        """A name for films and progress bars."""
        return label_of(self.task_name, self.planner_name, self.dynamics) + self._said

    @property
    def _said(self) -> str:
        """What its name says beside the planner."""
        return said_beside(None if self.variation is None else asdict(self.variation), self.apart)

    @property
    def searches(self) -> bool:
        """Whether it is a planner on the world model, rather than a floor or a ceiling of it."""
        return self.dynamics == LEARNED and self.planner_name not in BASELINES

    @property
    def draws_prior(self) -> bool:
        """Whether plans are made of what the learned prior proposes."""
        share = self.setup.planner_config.get("prior_share")
        return self.searches and bool(share) and PRIOR in proposals_of(self.task)

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
            "to_end": self.to_end,
            **self._varied,
            **({} if setup.device == CPU else {"device": setup.device}),
            **({} if setup.hold is None else {"hold": setup.hold.document}),
        }

    @property
    def _varied(self) -> dict[str, Any]:
        """What is otherwise, for the document; nothing where nothing is."""
        if self.variation is None:
            return {}
        return {"vary": asdict(self.variation), "goal_varies": self.goal_varies}

    @property
    def identity(self) -> dict[str, Any]:
        """What outcomes depend on: all of the document, but of a task's config what is read without a world model."""
        if self.dynamics == LEARNED:
            return self.document
        rules = asdict(rules_of(self.protocol, self.task))
        read = {"name": self.task_name, "max_steps": self.task.get("max_steps")}
        return {**self.document, "task": read, "protocol": rules}

    @cached_property
    def _code(self) -> tuple[str, str]:
        own = self.setup.own_modules
        return code_sha256(*(["integrations"] if own else [])), own_code_sha256((*self.use, *own))

    @property
    def code(self) -> str:
        """Hash of all code that decides how episodes go, the user's too."""
        return _short_hash(self._code)

    @cached_property
    def key(self) -> str:
        """Hash of everything in this contender and of that code: what is stored under it is its own."""
        return _short_hash([*self._code, self.identity])

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contender) and self.key == other.key

    def check(self) -> None:
        """Raise `ForearmError` where its environment takes commands that its checkpoint or adapter does not know, or
        cannot be varied so.
        """
        if self.variation is None and self.dynamics != LEARNED and self.setup.hold is None:
            return
        env = environment(self.task_name, self.task["camera"], self.task["resolution"])
        if self.variation is not None:
            from forearm.envs.varied import VariedEnvironment

            VariedEnvironment(env, self.variation)
        if self.dynamics == LEARNED:
            self.setup.check_commands(env)
        if self.setup.hold is not None:
            self.setup.hold(ActionSpec.of_env(env), {})


def _short_hash(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def name_of(planner: str, dynamics: str) -> str:
    """A name for rows of one task's table."""
    return planner + (" (oracle)" if dynamics == ORACLE else "")


def label_of(task: str, planner: str, dynamics: str) -> str:
    """A name for files and progress bars."""
    return f"{task}-{planner}{'-oracle' if dynamics == ORACLE else ''}"


def said_beside(vary: Mapping[str, Any] | None, apart: str = "") -> str:
    """The end of a name or label: what is otherwise, as a row's `vary` has it, and what tells it from others."""
    varied = vary and f"{vary['factor']}={vary['strength']:g}"
    return "".join(f" {word}" for word in (varied, apart) if word)
