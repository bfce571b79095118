"""The latent world model as what an agent thinks with: frames in, dynamics and goal distance out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm.agent.action_spec import ActionSpec, Holding
from forearm.agent.of_latents import OfLatents
from forearm.agent.sensor_fit import OfReadings
from forearm.common import checks
from forearm.errors import InputError, did_you_mean
from forearm.settings.schema.task import ObjectiveConfig

if TYPE_CHECKING:
    from forearm.planner.problem import Objective, Problem, Proposal
    from forearm.world_model.heads.checkpoint import Heads
    from forearm.world_model.heads.ranking import Ranking
    from forearm.world_model.heads.ways import Ways
    from forearm.world_model.model.jepa import JEPA
    from forearm.world_model.runtime.latent_dynamics import LatentState
    from forearm.world_model.runtime.tracker import LatentTracker

PROPOSALS = ("previous", "prior")
"""Where a planner's `prior_share` of the candidates can come from: the previous plan, the learned prior."""


@dataclass(frozen=True, eq=False)
class Belief:
    """Where a plan for one episode begins: the model's `state` (B = 1), and the command (A,) carried out before, as the
    model takes it.
    """

    state: "LatentState"
    last_action: np.ndarray


class LatentPlanningModel:
    """Encodes every frame once, alone, so that latents do not depend on how many episodes run together.

    Args:
        model: the world model, in evaluation mode.
        objective: `weights` and `decay` of the latent distance over the horizon, its `slowness`, the weights
            `action`, `smoothness`, `terminal` and `unlikely` of the other costs, and the control steps `until` which
            all of them look, as in configs/task.
        actions: what commands are.
        fingerprint: of the model's checkpoint, if it has one.
        heads: of the model, needed for `terminal`, `unlikely` and the proposal `prior`.
        proposals: names out of `PROPOSALS`.
        spread: of the prior's candidates, as a share of its standard deviation.
        gain: what the prior's commands are multiplied by.
        fit: what makes frames those that the model sees, such as a `FrameFit`; without it they must be.
        subgoal: of the model, needed for `objective.subgoal`.
        ranking: of the model, needed for `objective.ranking`.
        hold: the command that holds the arm before the first one; None: the model's `action_rest`.

    Raises ValueError for a weight that is none, a proposal that is unknown, and heads that are missing.
    """

    def __init__(
        self,
        model: "JEPA",
        objective: Mapping[str, Any],
        actions: ActionSpec,
        fingerprint: str | None = None,
        heads: "Heads | None" = None,
        proposals: Sequence[str] = PROPOSALS[:1],
        spread: float = 1.0,
        gain: float = 1.0,
        fit: Callable[[Any], np.ndarray] = np.asarray,
        hold: Holding | None = None,
        subgoal: "Ways | None" = None,
        ranking: "Ranking | None" = None,
    ) -> None:
        from forearm.agent.own_model import OwnModel
        from forearm.planner import UnlikelyLatents
        from forearm.world_model.runtime.latent_dynamics import LatentDynamics

        reason = reason_for_heads(objective, proposals)
        if reason is not None and heads is None:
            raise InputError(f"{reason} needs heads of the world model; none were given")
        self.fingerprint, self.actions, self._fit, self._hold = fingerprint, actions, fit, hold
        self._model, self._objective, self._heads, self._sources = model, objective, heads, tuple(proposals)
        self._spread = checks.real("prior_spread", spread, least=0.0)
        self._gain = checks.real("prior_gain", gain, least=0.0)
        self._of_sensors = model.config.encoder == "sensors"
        """Whether readings are all that is seen, and goals are told by them."""
        of_both = subgoal is not None and objective.get("subgoal") is not None and bool(subgoal.readings)
        self._whole = of_both or self._of_sensors
        """Whether joint readings are predicted, and compared, beside latents."""
        self._dynamics = model.dynamics() if isinstance(model, OwnModel) else LatentDynamics(model, self._whole)
        self._metric = self._map()
        self._until = self._latent_steps("until")
        self._at, self._subgoal = self._latent_steps("subgoal"), subgoal
        if self._at is not None and subgoal is None:
            raise InputError(f"objective.subgoal={objective['subgoal']} needs sub-goals of the model; none were given")
        self._ranking = ranking
        if ranking is None and (weight := weight_of(objective, "ranking")):
            raise InputError(f"objective.ranking={weight:g} needs a ranking of the model; none was given")
        self._unlikely: UnlikelyLatents | None = None
        if heads is not None and weight_of(objective, "unlikely"):
            free = objective.get("unlikely_free", ObjectiveConfig.unlikely_free)
            free = checks.real("unlikely_free", free, least=0.0)
            self._unlikely = UnlikelyLatents(heads.mean, heads.covariance, free)
        self._goals: list[torch.Tensor] = []
        self._trackers: list[LatentTracker] = []
        self._last_actions: list[np.ndarray] = []

    def _map(self) -> torch.Tensor | None:
        """(D, K), under which latents are compared; None: as they are."""
        from forearm.world_model.runtime.slowness import slow_map

        if self._model.step_covariance is None:
            return None
        if not self._objective.get("features"):
            return slow_map(self._model.step_covariance, float(self._objective["slowness"]))
        slow = None if self._heads is None else self._heads.prior.slow
        if slow is None:
            raise InputError("objective.features=true needs a prior with slow features: train it with prior.slow=4")
        return slow.directions

    @cached_property
    def _near(self) -> torch.Tensor | None:
        """(D, K), under which latents are compared with sub-goals; None: as they are."""
        from forearm.world_model.runtime.slowness import slow_map

        slowness, covariance = float(self._objective["subgoal_slowness"]), self._model.step_covariance
        if covariance is None or not slowness:
            return None
        readings = torch.eye(self._model.config.proprio_dim, device=covariance.device)
        return torch.block_diag(slow_map(covariance, slowness), readings)

    @property
    def frameskip(self) -> int:
        """Control steps in one latent step."""
        return self._model.config.frameskip

    @torch.inference_mode()
    def encode(self, frames: np.ndarray, readings: np.ndarray | None = None) -> torch.Tensor:
        """Latents (N, D) of frames (N, R, R, 3) uint8; with joint `readings` (N, P) what the dynamics predict of them,
        which is states (N, S) where readings are compared as well.
        """
        latents = self._model.encode(np.ascontiguousarray(frames))
        if readings is None or not self._whole:
            return latents
        return self._model.state(latents, torch.as_tensor(readings, dtype=torch.float32).to(latents.device))

    @torch.inference_mode()
    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Encode the goal frames (H, W, 3) uint8; raises ValueError for what is no frame that fits the model."""
        from forearm.world_model.runtime.tracker import LatentTracker

        self._goals = [self._goal(goal) for goal in goals]
        self._trackers = [LatentTracker(self._model) for _ in goals]
        self._last_actions = [self._model.action_rest.cpu().double().numpy() for _ in goals]

    def _goal(self, goal: np.ndarray) -> torch.Tensor:
        """The latent (D,) of a goal frame; of readings (P,), NaN where they are open, followed by these as scaled."""
        if not self._of_sensors:
            return self.encode(self._fit(goal)[None])[0]
        wanted = self._fit(goal)
        moment = np.stack([wanted, np.zeros_like(wanted)], axis=-1)
        scaled = (torch.as_tensor(wanted).to(self._model.device) - self._model.proprio_mean) / self._model.proprio_std
        return torch.cat([self.encode(moment[None])[0], scaled])

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """Encode the frame that `episode` shows now."""
        pixels = None if self._of_sensors else self._fit(observation["pixels"])
        tracker, proprio = self._trackers[episode], observation.get("proprio")
        if action is None:
            rest = self.rest(observation)
            tracker.begin(pixels, proprio, rest)
            if rest is not None:
                self._last_actions[episode] = rest
        else:
            tracker.advance(action, pixels, proprio)
            self._last_actions[episode] = action if self._model.absolute is None else tracker.taken

    def rest(self, observation: Mapping[str, Any]) -> np.ndarray | None:
        """The command (A,) that holds the arm where it is seen; None where the model's `action_rest` does."""
        return None if self._hold is None else self._hold(self.actions, observation)

    def state(self, episode: int) -> "LatentState":
        """Where an episode is now, as far as it was shown: B = 1."""
        return self._trackers[episode].state()

    def problem(
        self,
        episodes: Sequence[int],
        beliefs: Sequence[Belief] | None = None,
        missed: "Sequence[torch.Tensor | None] | None" = None,
    ) -> "Problem":
        """Latent dynamics, distance to the goal latents plus the other costs, and the states to start from: where the
        episodes are now, or where they are believed to be when the plan begins. What predictions of 1 to K latent steps
        `missed` lately, (K, S) of each episode, is added to the next ones.
        """
        from forearm.world_model.absolute import Handover
        from forearm.world_model.runtime.disturbance import OffsetFree
        from forearm.world_model.runtime.latent_dynamics import LatentState

        begun = beliefs or [Belief(self.state(b), self._last_actions[b]) for b in episodes]
        begins = [at.state.begin for at in begun if at.state.begin is not None]
        state = LatentState(
            torch.cat([at.state.states for at in begun]),
            torch.cat([at.state.actions for at in begun]),
            Handover.joined(begins) if begins else None,
        )
        goals = self.goals_of(episodes)
        objective = self.toward(goals, [at.last_action for at in begun], state.states[:, -1])
        where = self._model.device
        dynamics = self._dynamics if missed is None else OffsetFree(self._dynamics, missed)
        return self.actions.problem(dynamics, objective, state, len(episodes), self._proposals(episodes), where)

    def toward(
        self, goals: torch.Tensor, last_actions: Sequence[np.ndarray], states: torch.Tensor | None = None
    ) -> "Objective":
        """Distance to goal latents (B, D) plus the other costs, after commands (A,) that were carried out last.

        From `states` (B, S), where they are given and the objective says so, to sub-goals on the way to those goals,
        and ranked.
        """
        from forearm.planner import LatentDistance, LatentPath, Prefix, WayValue, WeightedSum

        wanted = self._objective
        distance: Objective
        if self._of_sensors:
            goals, readings = goals.split([self._model.config.latent_dim, self._model.config.proprio_dim], dim=-1)
            distance = LatentDistance(readings.nan_to_num(), wanted["weights"], wanted["decay"])
            distance = OfReadings(distance, self._model.config.latent_dim, readings)
        elif self._at is None or states is None or self._subgoal is None:
            distance = self._of_latents(LatentDistance(goals, wanted["weights"], wanted["decay"], self._metric))
        else:
            way = self._subgoal.way(states, goals)[:, : self._at]
            distance = LatentPath(way, wanted["subgoal_weights"], wanted["decay"], self._near)
        others = self._other_costs(last_actions, goals)
        if self._ranking is not None and states is not None:
            known = states[:, : self._ranking.latent_dim], goals
            ranked = self._of_latents(WayValue(self._ranking, self._ranking.steps, known))
            others.append((weight_of(wanted, "ranking"), ranked))
        whole = WeightedSum([(1.0, distance), *others]) if others else distance
        return whole if self._until is None else Prefix(whole, self._until)

    def _of_latents(self, objective: "Objective") -> "Objective":
        """The same cost, of whatever the dynamics predict."""
        return OfLatents(objective, self._model.config.latent_dim) if self._whole else objective

    def _latent_steps(self, key: str) -> int | None:
        """Latent steps of `objective.until` or `objective.subgoal`; None where the config says none."""
        from forearm.common import checks

        value = self._objective.get(key)
        if value is None:
            return None
        steps, frameskip = checks.integer(f"objective.{key}", value, 1), self._model.config.frameskip
        if steps % frameskip:
            raise InputError(
                f"objective.{key}={steps} is no multiple of {frameskip}, the control steps in a latent step"
            )
        return steps // frameskip

    @torch.inference_mode()
    def distance(self, episode: int, latent: torch.Tensor) -> float:
        """Mean squared distance of a latent (D,) from the goal's, under the objective's metric."""
        goal = self._goals[episode][: len(latent)]
        difference = latent.to(goal.device) - goal
        return float((difference if self._metric is None else difference @ self._metric).square().mean())

    def _proposals(self, episodes: Sequence[int]) -> "tuple[Proposal, ...]":
        """The chosen proposals, for planning these episodes together."""
        from forearm.agent.prior import LatentPrior
        from forearm.planner import PreviousPlan

        chosen: list[Proposal] = []
        for name in self._sources:
            if name == "prior":
                assert self._heads is not None
                goals = self.goals_of(episodes)[:, : self._model.config.latent_dim]
                chosen.append(LatentPrior(self._heads.prior, goals, self._spread, self._gain))
            else:
                chosen.append(PreviousPlan())
        return tuple(chosen)

    def goals_of(self, episodes: Sequence[int]) -> torch.Tensor:
        """(B, D), the goals' latents."""
        return torch.stack([self._goals[b] for b in episodes])

    def _other_costs(self, last_actions: Sequence[np.ndarray], goals: torch.Tensor) -> "list[tuple[float, Objective]]":
        from forearm.planner import ActionCost, TerminalValue

        wanted = self._objective
        costs: list[tuple[float, Objective]] = []
        if wanted["action"] or wanted["smoothness"]:
            last = torch.as_tensor(np.stack(list(last_actions)), dtype=torch.float32)
            costs.append((1.0, ActionCost(wanted["action"], wanted["smoothness"], last)))
        if self._heads is not None and (weight := weight_of(wanted, "terminal")):
            counts = str(wanted.get("terminal_weights", ObjectiveConfig.terminal_weights))
            value = TerminalValue(self._heads.distance, goals, counts, wanted["decay"])
            costs.append((weight, self._of_latents(value)))
        if self._unlikely is not None:
            costs.append((weight_of(wanted, "unlikely"), self._of_latents(self._unlikely)))
        return costs


def weight_of(objective: Mapping[str, Any], key: str) -> float:
    """The weight of a cost that may be left out of a config; raises ValueError if it is no number from 0 up."""
    from forearm.common import checks

    return checks.real(key, objective.get(key, 0.0), least=0.0)


def reason_for_heads(objective: Mapping[str, Any], proposals: Sequence[str]) -> str | None:
    """The setting that needs heads beside the world model, or None; raises ValueError for one that makes no sense."""
    for name in proposals:
        if name not in PROPOSALS:
            raise InputError(f"unknown proposal '{name}'{did_you_mean(str(name), PROPOSALS)}")
    if not proposals or len(set(proposals)) < len(proposals):
        raise InputError(f"proposals must name one or more of {', '.join(PROPOSALS)}, each once, not {list(proposals)}")
    for key in ("terminal", "unlikely"):
        if weight := weight_of(objective, key):
            return f"objective.{key}={weight:g}"
    if objective.get("features"):
        return "objective.features=true"
    return "the proposal 'prior'" if "prior" in proposals else None


def proposals_of(task: Mapping[str, Any]) -> Sequence[str]:
    """The proposals that a task's config names; configs without the key mean the previous plan."""
    named = task.get("proposals", PROPOSALS[:1])
    return (named,) if isinstance(named, str) else named
