"""From a task, a planner and a checkpoint to something that plans: settled and checked once, then handed on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.absolute import AbsolutePlanner
from forearm.agent.action_spec import ActionSpec, Holding
from forearm.agent.agent import Acting, Agent, PlanningModel
from forearm.agent.checkpoint import LoadedCheckpoint, fingerprint, settled
from forearm.agent.checkpoint_reading import CPU
from forearm.agent.fast import FAST, fast_task, is_fast
from forearm.agent.guided import GUIDED, PRIOR, gate_of, guided_task, is_guided
from forearm.agent.hierarchical import HIERARCHICAL, hierarchical_task, is_hierarchical
from forearm.agent.imagination import Imagination, Imagined
from forearm.agent.latent import LatentPlanningModel, proposals_of
from forearm.agent.of_checkpoint import OfCheckpoint
from forearm.agent.oracle import NoPlanningModel, OraclePlanningModel
from forearm.agent.pace import in_control_steps, pace_of
from forearm.agent.scripted import ExpertAgent, HoldAgent
from forearm.common.dotted import is_dotted, module_of
from forearm.errors import ForearmError, did_you_mean
from forearm.settings import compose as settings
from forearm.settings.schema.planner import UNDER_ANOTHER_NAME, own_planner

if TYPE_CHECKING:
    from forearm.envs import Environment
    from forearm.planner.plan import Plan
    from forearm.world_model.heads.checkpoint import Heads

LEARNED, ORACLE, NONE = "learned", "oracle", "none"
HOLD, EXPERT = "hold", "expert"
BASELINES = ("random", HOLD, EXPERT, PRIOR)
"""The last one looks through the world model's eyes, and follows its prior without a search."""


@dataclass(frozen=True, eq=False)
class PlanningSetup(OfCheckpoint):
    """What plans a task; made by `resolve`, or by `baseline` for what acts without planning.

    Whoever plans is given one of these and looks nothing up again: a checkpoint that is trained anew under the same
    name is another setup's. One that is sent to another process leaves its model behind; there it is read once more,
    and must be the same.

    Attributes:
        task: its config, as the planner wants it.
        planner_config: with its name, and the task's pace wherever it was left open.
        dynamics: `learned`, `oracle` (the simulator itself) or `none`.
        replan_every: control steps carried out from each plan.
        actions: what commands are: of the checkpoint, or of an environment (`in_env`); None before that without one.
        fingerprint: of the world model and the heads that are used; None without.
        device: of torch, where the world model is.
        hold: what holds the arm still; None: the environment's own way, or else zero.
    """

    task: Mapping[str, Any]
    planner_config: Mapping[str, Any]
    dynamics: str
    replan_every: int = 1
    actions: ActionSpec | None = None
    fingerprint: str | None = None
    device: str = CPU
    hold: Holding | None = None
    _read: LoadedCheckpoint | None = field(default=None, repr=False)

    @classmethod
    def resolve(
        cls,
        task: str | Mapping[str, Any],
        planner: str | Mapping[str, Any] | None = None,
        checkpoint: str | Path | LoadedCheckpoint | None = None,
        *,
        dynamics: str = LEARNED,
        replan_every: int | str | None = 1,
        device: str = CPU,
    ) -> "PlanningSetup":
        """Settle and check everything, and read the world model.

        Args:
            task: a name in configs/task, or such a config.
            planner: a name in configs/planner, or such a config, which may be no more than the name of the baseline
                `prior`; None: that of the task if the checkpoint is its own, and else CEM.
            checkpoint: another than the task's, by name or path, or one that was read before.
            dynamics: `learned` or `oracle`, which needs no checkpoint.
            replan_every: control steps carried out from each plan, or seconds, such as "0.4s"; None: the task's.
            device: of torch, where a world model that is read goes.

        Raises:
            CheckpointError: a checkpoint, or heads, that cannot be read.
            DeviceError: a device that is not here.
            ForearmError: unknown names, settings that do not fit each other or the checkpoint.
            ValueError: a planner's settings that contradict each other.
        """
        config = dict(task_config(task) if isinstance(task, str) else task)
        if isinstance(checkpoint, str | Path):
            config["checkpoint"] = str(checkpoint)
        chosen = chosen_planner(planner, config)
        if dynamics == ORACLE and (reason := no_oracle(chosen)):
            raise ForearmError(f"planner={chosen['name']} has no oracle: {reason}, use another planner")
        if dynamics == LEARNED:
            config = settled(config)
        config, chosen, replan_every = in_control_steps(
            config, chosen, replan_every, dynamics == ORACLE, checkpoint, device
        )
        if chosen["name"] in (GUIDED, PRIOR):
            config = guided_task(config, chosen)
        elif is_hierarchical(chosen):
            config = hierarchical_task(config)
        elif is_fast(chosen):
            config = fast_task(config)
        pace = pace_of(config)
        every = replan_every or pace["replan_every"]
        found = cls(config, _filled(chosen, config, pace, every), dynamics, every)
        horizon = found.planner().config.horizon
        if not 1 <= every <= horizon:
            raise ForearmError(
                f"replan_every={every} must lie between 1 and the horizon of {found.planner_name} ({horizon})"
            )
        if dynamics == ORACLE:
            return found
        read = checkpoint if isinstance(checkpoint, LoadedCheckpoint) else LoadedCheckpoint.read(config, device)
        used = _fingerprint(read, config)
        if found.planner_name != PRIOR:  # which rolls nothing out
            read.check_horizon(config, horizon)
        actions = ActionSpec.of_checkpoint(read.document, read.model.config.action_dim)
        return replace(found, actions=actions, fingerprint=used, device=read.device, _read=read)

    @classmethod
    def baseline(
        cls, task: Mapping[str, Any], name: str, replan_every: int | str | None = 1, device: str = CPU
    ) -> "PlanningSetup":
        """One of `BASELINES` on a task's config; raises `ForearmError` for another name, and `prior` like `resolve`."""
        if name not in BASELINES:
            raise ForearmError(f"unknown baseline '{name}'{did_you_mean(name, BASELINES)}")
        if name == PRIOR:
            return cls.resolve(task, {"name": name}, replan_every=replan_every, device=device)
        return cls(task, {"name": name}, NONE)

    # -- what it is made of ---------------------------------------------------------------------------------------

    @property
    def planner_name(self) -> str:
        """The planner's or baseline's name."""
        return str(self.planner_config["name"])

    @property
    def checkpoint(self) -> LoadedCheckpoint:
        """The world model as it was read. Raises `ForearmError` if it is another one where it was sent to."""
        if self._read is None:
            read = LoadedCheckpoint.read(self.task, self.device)
            if _fingerprint(read, self.task) != self.fingerprint:
                if is_dotted(str(self.task["checkpoint"])):
                    raise ForearmError(
                        f"model {self.task['checkpoint']} is another one in every process: read its weights from a "
                        "file, seed them, or give it a fingerprint"
                    )
                raise ForearmError(
                    f"checkpoint '{self.task['checkpoint']}' was trained anew while it was being used: repeat the "
                    "command to go on with the new one"
                )
            object.__setattr__(self, "_read", read)
        assert self._read is not None
        return self._read

    @property
    def own_modules(self) -> tuple[str, ...]:
        """Modules of the user's own, from which the model or the planner comes."""
        named = [self.planner_name, *([str(self.task["checkpoint"])] if self.dynamics == LEARNED else [])]
        return tuple(module_of(name) for name in named if is_dotted(name))

    @property
    def heads(self) -> "Heads | None":
        """The heads that are used."""
        return self.checkpoint.heads(self.task)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_read": None}

    # -- what it makes --------------------------------------------------------------------------------------------

    def planner(self, **changes: Any) -> Any:
        """A planner, or baseline, with `changes` of its settings; raises ValueError for some that contradict others."""
        search = self.search(**changes)
        absolute = None if self.actions is None or self.actions.step is None else self.model.absolute
        return search if absolute is None else AbsolutePlanner(search, absolute)

    def search(self, **changes: Any) -> Any:
        """The same as it searches: for differences where commands are absolute joint positions."""
        from forearm.planner import make_baseline, make_planner

        chosen = {key: value for key, value in {**self.planner_config, **changes}.items() if key != "name"}
        if is_dotted(self.planner_name):
            return _own_planner(self.planner_name, chosen)
        if self.planner_name in BASELINES:
            return make_baseline(self.planner_name, **chosen)
        gate = gate_of(self.task) if is_guided(self.planner_config) else None
        return make_planner(UNDER_ANOTHER_NAME.get(self.planner_name, self.planner_name), gate=gate, **chosen)

    def planning_model(self, envs: "Sequence[Environment]" = ()) -> PlanningModel:
        """What that planner thinks with; for the oracle, one episode in each of `envs`.

        Raises ValueError for weights and proposals in the task's config that make no sense.
        """
        if self.dynamics == ORACLE:
            return OraclePlanningModel(envs)
        assert self.actions is not None
        return NoPlanningModel(self.actions) if self.dynamics == NONE else self.latent_model()

    def latent_model(self) -> LatentPlanningModel:
        """The same for learned dynamics: a `forearm.agent.latent.LatentPlanningModel`."""
        assert self.actions is not None
        spread, gain = (1.0 if self.task.get(key) is None else self.task[key] for key in ("prior_spread", "prior_gain"))
        return LatentPlanningModel(
            self.checkpoint.predicting(self.task),
            self.task["objective"],
            self.actions,
            self.checkpoint.fingerprint,
            self.heads,
            proposals_of(self.task),
            spread,
            gain,
            self.fit,
            self.hold,
            None if (subgoal := self.checkpoint.subgoal(self.task)) is None else subgoal[0],
            None if (ranking := self.checkpoint.ranking(self.task)) is None else ranking[0],
        )

    def agent(self, envs: "Sequence[Environment]" = ()) -> Acting:
        """What acts, one episode in each of `envs`, whose commands then count, or in as many as it is asked for."""
        if self.planner_name in (EXPERT, HOLD) and self.dynamics == NONE:
            return ExpertAgent(envs) if self.planner_name == EXPERT else HoldAgent(envs, self.hold)
        here = self.in_env(envs[0]) if envs else self
        return Agent(here.planner(), here.planning_model(envs), here.replan_every)

    def in_env(self, env: "Environment") -> "PlanningSetup":
        """The same with the commands that `env` takes; raises `ForearmError` for one whose commands the checkpoint does
        not know.
        """
        self.check_commands(env)
        step = None if self.actions is None else self.actions.step
        return replace(self, actions=replace(ActionSpec.of_env(env), step=step))

    def check_commands(self, env: "Environment") -> None:
        """Raise `ForearmError` unless the checkpoint, if there is one, knows commands of the kind and rate that `env`
        takes.
        """
        if self.dynamics == LEARNED:
            super().check_commands(env)

    def imagination(self) -> Imagination | None:
        """What draws its plans' futures; None for other dynamics than learned ones, and without a decoder."""
        decoder = self.checkpoint.decoder_if_any(self.task) if self.dynamics == LEARNED else None
        return None if decoder is None else Imagination(self.model, decoder, float(self.document["control_period"]))

    def plan(self, start: np.ndarray, goal: np.ndarray, seed: int = 0, proprio: np.ndarray | None = None) -> "Plan":
        """The plan from one frame (H, W, 3) uint8 to another, with the joint readings `proprio` (P,) if the model uses
        them; raises ValueError where they are missing.
        """
        agent = self.agent()
        agent.reset([goal], [seed])
        [act] = agent.act([{"pixels": start, "proprio": start if self.of_sensors else proprio}])
        assert act is not None and act.plan is not None
        return self.signed(act.plan)

    def imagine(self, plan: "Plan", start: np.ndarray, proprio: np.ndarray | None = None) -> Imagined | None:
        """What a plan from a frame (R, R, 3) uint8 is expected to lead to, drawn; None where it cannot be drawn."""
        imagination = self.imagination()
        if imagination is None:
            return None
        from forearm.world_model.runtime.tracker import LatentTracker

        tracker = LatentTracker(self.model)
        tracker.begin(start, proprio)
        return imagination.ahead(tracker.state(), plan.actions)

    def signed(self, plan: "Plan") -> "Plan":
        """The plan with what it was made by, and names for its numbers."""
        units, names = self.action_units, self.document.get("action_names")
        return replace(plan, checkpoint=self.checkpoint.fingerprint, action_names=names, action_units=units)

    @property
    def action_units(self) -> list[str] | None:
        """What 1.0 of each number of a command is, such as "3 cm": as the checkpoint's data say, or the built-in arm
        has it; None where it is not known.
        """
        from forearm.envs import TASKS
        from forearm.envs.arm.joints import ACTION_UNITS

        said = self.document.get("action_units")
        if said is not None or self.task["name"] not in TASKS:
            return None if said is None else [str(unit) for unit in said]
        return list(ACTION_UNITS) if self.model.config.action_dim == len(ACTION_UNITS) else None


def no_oracle(planner: Mapping[str, Any]) -> str | None:
    """Why a planner has no oracle; None for one that has."""
    known = {
        GUIDED: "its prior sees the world model's latents",
        HIERARCHICAL: "its sub-goals are the world model's latents",
        FAST: "its predictor is the world model's student",
    }
    return known.get(str(planner["name"]))


def chosen_planner(planner: str | Mapping[str, Any] | None, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """A planner's config, given as such, by its name, or as None for that of the task, if the checkpoint is its own,
    and else CEM; raises `ForearmError` for an unknown name.
    """
    if planner is None:
        own = task["checkpoint"] == task_config(str(task["name"]))["checkpoint"]
        planner = str(task.get("planner") or "cem") if own else "cem"
    return planner_config(planner) if isinstance(planner, str) else planner


def task_config(name: str) -> dict[str, Any]:
    """The defaults in configs/task; raises `ForearmError` for an unknown name."""
    return settings.load("plan", [f"task={name}"]).one("task")


def planner_config(name: str) -> dict[str, Any]:
    """The defaults in configs/planner; raises `ForearmError` for an unknown name."""
    return settings.load("plan", [f"planner={name}"]).one("planner")


def _filled(
    planner: Mapping[str, Any], task: Mapping[str, Any], pace: Mapping[str, int], replan_every: int
) -> dict[str, Any]:
    """A planner's config with the task's pace wherever it leaves `horizon` or `action_repeat` open, and `guided` its
    `temperature`; the baseline `prior` looks as far as it acts.
    """
    if planner["name"] == PRIOR:
        return {**planner, "horizon": replan_every}
    known: dict[str, Any] = {key: pace[key] for key in ("horizon", "action_repeat")}
    if is_guided(planner):
        known["temperature"] = task[GUIDED]["temperature"]
    return {key: known[key] if value is None and key in known else value for key, value in planner.items()}


def _own_planner(name: str, settings: Mapping[str, Any]) -> Any:
    cls, config = own_planner(name)
    for key in settings:
        if key not in (known := [item.name for item in fields(config)]):
            raise ForearmError(f"planner {name} has no setting '{key}'{did_you_mean(key, known)}")
    return cls(config(**settings))


def _fingerprint(read: LoadedCheckpoint, task: Mapping[str, Any]) -> str:
    """Of a checkpoint, heads, student, sub-goals and ranking that a task's config needs; raises like
    `LoadedCheckpoint.heads`, `student`, `subgoal` and `ranking`.
    """
    found = [read.fingerprint]
    if (heads := read.heads(task)) is not None:
        found.append(fingerprint(heads.document))
    found += [
        fingerprint(part[1])
        for part in (read.student(task), read.subgoal(task), read.ranking(task))
        if part is not None
    ]
    return "+".join(found)
