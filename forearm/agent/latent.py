"""The latent world model as what an agent thinks with: frames in, dynamics and goal distance out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numpy as np
import torch

from forearm.common.files import place
from forearm.errors import ForearmError, InputError, did_you_mean

if TYPE_CHECKING:
    from forearm.planner.problem import Objective, Proposal
    from forearm.world_model.heads.checkpoint import Heads
    from forearm.world_model.model.jepa import JEPA
    from forearm.world_model.runtime.tracker import LatentTracker

Kept = TypeVar("Kept")
Loaded: TypeAlias = "tuple[JEPA, dict[str, Any]]"
"""A world model and its checkpoint's description."""
_LOADED: dict[Path, tuple[tuple[Any, ...], Any]] = {}
PROPOSALS = ("previous", "prior")
"""Where a planner's `prior_share` of the candidates can come from: the previous plan, the learned prior."""


class LatentPlanningModel:
    """Encodes every frame once, alone, so that latents do not depend on how many episodes run together.

    Args:
        model: the world model, in evaluation mode.
        objective: `weights` and `decay` of the latent distance over the horizon, its `slowness`, the weights
            `action`, `smoothness`, `terminal` and `unlikely` of the other costs, and the control steps `until` which
            all of them look, as in configs/task.
        fingerprint: of the model's checkpoint, if it has one.
        heads: of the model, needed for `terminal`, `unlikely` and the proposal `prior`.
        proposals: names out of `PROPOSALS`.
        spread: of the prior's candidates, as a share of its standard deviation.
        gain: what the prior's commands are multiplied by.

    Raises ValueError for a weight that is none, a proposal that is unknown, and heads that are missing.
    """

    def __init__(
        self,
        model: "JEPA",
        objective: Mapping[str, Any],
        fingerprint: str | None = None,
        heads: "Heads | None" = None,
        proposals: Sequence[str] = PROPOSALS[:1],
        spread: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        from forearm.planner import UnlikelyLatents, checks
        from forearm.world_model.runtime.latent_dynamics import LatentDynamics

        reason = reason_for_heads(objective, proposals)
        if reason is not None and heads is None:
            raise InputError(f"{reason} needs heads of the world model; none were given")
        self.fingerprint = fingerprint
        self._model, self._objective, self._heads, self._sources = model, objective, heads, tuple(proposals)
        self._spread = checks.real("prior_spread", spread, least=0.0)
        self._gain = checks.real("prior_gain", gain, least=0.0)
        self._dynamics = LatentDynamics(model)
        self._metric = self._map()
        self._until = self._prefix()
        self._unlikely: UnlikelyLatents | None = None
        if heads is not None and weight_of(objective, "unlikely"):
            free = checks.real("unlikely_free", objective.get("unlikely_free", 2.0), least=0.0)
            self._unlikely = UnlikelyLatents(heads.mean, heads.covariance, free)
        self._goals: list[torch.Tensor] = []
        self._trackers: list[LatentTracker] = []
        self._last_actions: list[np.ndarray] = []

    def _map(self) -> torch.Tensor:
        """(D, K), under which latents are compared."""
        from forearm.world_model.runtime.slowness import slow_map

        if not self._objective.get("features"):
            return slow_map(self._model.step_covariance, float(self._objective["slowness"]))
        slow = None if self._heads is None else self._heads.prior.slow
        if slow is None:
            raise InputError("objective.features=true needs a prior with slow features: train it with prior.slow=4")
        return slow.directions

    @torch.inference_mode()
    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Encode the goal frames (H, W, 3) uint8; raises ValueError for frames of another size than the
        model's.
        """
        from forearm.world_model.runtime.tracker import LatentTracker

        self._goals = [self._model.encode(np.ascontiguousarray(goal)[None])[0] for goal in goals]
        self._trackers = [LatentTracker(self._model) for _ in goals]
        self._last_actions = [self._model.action_rest.double().cpu().numpy() for _ in goals]

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """Encode the frame that `episode` shows now."""
        tracker, pixels, proprio = self._trackers[episode], observation["pixels"], observation.get("proprio")
        if action is None:
            tracker.begin(pixels, proprio)
        else:
            tracker.advance(action, pixels, proprio)
            self._last_actions[episode] = action

    def problem(self, episodes: Sequence[int]) -> tuple[Any, Any, Any]:
        """Latent dynamics, distance to the goal latents plus the other costs, and the states to start from."""
        from forearm.world_model.runtime.latent_dynamics import LatentState

        states = [self._trackers[b].state() for b in episodes]
        state = LatentState(torch.cat([s.states for s in states]), torch.cat([s.actions for s in states]))
        return self._dynamics, self.objective(episodes, [self._last_actions[b] for b in episodes]), state

    def objective(self, episodes: Sequence[int], last_actions: Sequence[np.ndarray]) -> "Objective":
        """Distance to the goal latents plus the other costs, after the commands (A,) that were carried out last."""
        return self.toward(self._goals_of(episodes), last_actions)

    def toward(self, goals: torch.Tensor, last_actions: Sequence[np.ndarray]) -> "Objective":
        """The same for goal latents (B, D), whatever the episodes' own goals are."""
        from forearm.planner import LatentDistance, Prefix, WeightedSum

        wanted = self._objective
        distance = LatentDistance(goals, wanted["weights"], wanted["decay"], self._metric)
        others = self._other_costs(last_actions, goals)
        whole = WeightedSum([(1.0, distance), *others]) if others else distance
        return whole if self._until is None else Prefix(whole, self._until)

    def _prefix(self) -> int | None:
        """Latent steps that count, of `objective.until`; None: all."""
        from forearm.planner import checks

        until = self._objective.get("until")
        if until is None:
            return None
        steps, frameskip = checks.integer("objective.until", until, 1), self._model.config.frameskip
        if steps % frameskip:
            raise InputError(
                f"objective.until={steps} is no multiple of {frameskip}, the control steps in a latent step"
            )
        return steps // frameskip

    @torch.inference_mode()
    def distance(self, episode: int, latent: torch.Tensor) -> float:
        """Mean squared distance of a latent (D,) from the goal's, under the objective's metric."""
        return float(((latent - self._goals[episode]) @ self._metric).square().mean())

    def proposals(self, episodes: Sequence[int]) -> "tuple[Proposal, ...]":
        """The chosen proposals, for planning these episodes together."""
        from forearm.agent.prior import LatentPrior
        from forearm.planner import PreviousPlan

        chosen: list[Proposal] = []
        for name in self._sources:
            if name == "prior":
                assert self._heads is not None
                chosen.append(LatentPrior(self._heads.prior, self._goals_of(episodes), self._spread, self._gain))
            else:
                chosen.append(PreviousPlan())
        return tuple(chosen)

    def _goals_of(self, episodes: Sequence[int]) -> torch.Tensor:
        return torch.stack([self._goals[b] for b in episodes])

    def _other_costs(self, last_actions: Sequence[np.ndarray], goals: torch.Tensor) -> "list[tuple[float, Objective]]":
        from forearm.planner import ActionCost, TerminalValue

        wanted = self._objective
        costs: list[tuple[float, Objective]] = []
        if wanted["action"] or wanted["smoothness"]:
            last = torch.as_tensor(np.stack(list(last_actions)), dtype=torch.float32)
            costs.append((1.0, ActionCost(wanted["action"], wanted["smoothness"], last)))
        if self._heads is not None and (weight := weight_of(wanted, "terminal")):
            counts = str(wanted.get("terminal_weights", "last"))
            costs.append((weight, TerminalValue(self._heads.distance, goals, counts, wanted["decay"])))
        if self._unlikely is not None:
            costs.append((weight_of(wanted, "unlikely"), self._unlikely))
        return costs


def weight_of(objective: Mapping[str, Any], key: str) -> float:
    """The weight of a cost that may be left out of a config; raises ValueError if it is no number from 0 up."""
    from forearm.planner import checks

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


def imagination_for(task: Mapping[str, Any], loaded: "Loaded | None" = None) -> LatentPlanningModel:
    """The world model that a task's config names, or one of it that was `loaded` before, with its heads where they are
    used.

    Raises `CheckpointError` for what cannot be read, `ForearmError` for what does not fit.
    """
    model, document = loaded or load_for(task)
    spread, gain = (1.0 if task.get(key) is None else task[key] for key in ("prior_spread", "prior_gain"))
    return LatentPlanningModel(
        model,
        task["objective"],
        fingerprint(document),
        heads_for(task, (model, document)),
        proposals_of(task),
        spread,
        gain,
    )


def proposals_of(task: Mapping[str, Any]) -> Sequence[str]:
    """The proposals that a task's config names; configs without the key mean the previous plan."""
    named = task.get("proposals", PROPOSALS[:1])
    return (named,) if isinstance(named, str) else named


def heads_for(task: Mapping[str, Any], loaded: "Loaded | None" = None) -> "Heads | None":
    """The heads that a task's config needs, those beside its checkpoint unless it names others; None if it needs none.

    Raises `ForearmError` where there are none, `CheckpointError` for those that cannot be read or belong to another
    world model, ValueError for a config that makes no sense.
    """
    from forearm.world_model.heads.checkpoint import heads_path

    reason = reason_for_heads(task["objective"], proposals_of(task))
    if reason is None:
        return None
    named = task.get("heads")
    path = place(named) if named else heads_path(_place(str(task["checkpoint"])))
    if not path.is_file():
        raise ForearmError(
            f"{reason} needs heads of checkpoint '{task['checkpoint']}', but there is no {path}: "
            f"train them with 'forearm train-heads task={task['name']}', or plan without them, planner=cem"
        )
    heads = _load_heads(path, str((loaded or load_for(task))[1]["weights_sha256"]))
    # Those of a checkpoint of several tasks know the goals of one.
    if (made_for := heads.document.get("task", task["name"])) != task["name"]:
        raise ForearmError(
            f"{path}: heads were trained for task {made_for}, not {task['name']}: name others, task.heads=FILE, or "
            f"train them with 'forearm train-heads task={task['name']}'"
        )
    if task["objective"].get("features") and heads.prior.slow is None:
        raise ForearmError(
            f"objective.features=true needs a prior with slow features, but that of {path} has none: train it with "
            f"'forearm train-heads task={task['name']} prior.slow=4'"
        )
    return heads


def load_for(task: Mapping[str, Any]) -> "tuple[JEPA, dict[str, Any]]":
    """Model and description of a task's checkpoint, after checking that it was made for this task (it may be one of
    several) and this camera.

    Raises `CheckpointError` for one that cannot be read, `ForearmError` that says what differs for a wrong
    one, or that knows no commands.
    """
    from forearm.world_model.runtime.checkpoint import tasks_of

    model, document = _load(str(task["checkpoint"]))
    tasks = tasks_of(document)
    found = {
        "task": task["name"] if task["name"] in tasks else " and ".join(tasks) or None,
        "camera": str(document.get("camera", "")).rpartition(".")[2],
        "resolution": model.config.resolution,
    }
    wanted = {"task": task["name"], "camera": task["camera"], "resolution": task["resolution"]}
    differing = [f"{key} {found[key]}, not {wanted[key]}" for key in wanted if wanted[key] not in (None, found[key])]
    if differing:
        raise ForearmError(
            f"checkpoint '{task['checkpoint']}' was made for {'; '.join(differing)}: "
            f"give another {task['name']}.checkpoint="
        )
    if not model.config.action_dim:
        raise ForearmError(
            f"checkpoint '{task['checkpoint']}' was trained on frames alone and knows no commands, so it cannot plan: "
            f"train one with actions from it, 'forearm train task={task['name']} init={task['checkpoint']} "
            "freeze_encoder=true'"
        )
    return model, document


def check_horizon(task: Mapping[str, Any], horizon: int, loaded: "Loaded | None" = None) -> None:
    """Raise `ForearmError` unless the steps of the task's model, or of one that was `loaded` before, divide `horizon`,
    in control steps.
    """
    frameskip, usual = (loaded or load_for(task))[0].config.frameskip, task["frameskip"]
    if horizon % frameskip:
        unusual = "" if frameskip == usual else f" (task {task['name']} has {task['name']}.frameskip={usual})"
        raise ForearmError(
            f"horizon={horizon} is no multiple of {frameskip}, the control steps in one step of "
            f"checkpoint '{task['checkpoint']}'{unusual}; try planner.horizon={-(-horizon // frameskip) * frameskip}"
        )


def fingerprint_of(task: Mapping[str, Any]) -> str:
    """Fingerprint of a task's checkpoint and of the heads that are used; raises like `load_for` and `heads_for`."""
    parts = [load_for(task)[1]]
    heads = heads_for(task)
    return "+".join(map(fingerprint, parts if heads is None else [*parts, heads.document]))


def action_bounds(document: Mapping[str, Any], dims: int) -> tuple[np.ndarray, np.ndarray]:
    """(A,) lowest and highest commands that a checkpoint was trained on; -1 and 1 where it says nothing."""
    low = np.asarray(document.get("action_low", np.full(dims, -1.0)), np.float64)
    high = np.asarray(document.get("action_high", np.full(dims, 1.0)), np.float64)
    return low, high


def fingerprint(document: Mapping[str, Any]) -> str:
    """What tells one checkpoint from another: the hash of its weights, shortened."""
    return str(document["weights_sha256"])[:16]


def _load(name: str) -> Loaded:
    from forearm.world_model.runtime.checkpoint import load_checkpoint, locate

    path = locate(_place(name))
    return _kept(path, lambda: load_checkpoint(path))


def _load_heads(path: Path, world_model_sha256: str) -> "Heads":
    from forearm.world_model.heads.checkpoint import load_heads

    return _kept(path, lambda: load_heads(path, world_model_sha256), world_model_sha256)


def _kept(path: Path, load: Callable[[], Kept], *of: str) -> Kept:
    """What `load` made of the JSON file `path`, which names the hash of its weights, until the file is another."""
    key, content = path.resolve(), (path.read_bytes(), *of)
    if key not in _LOADED or _LOADED[key][0] != content:
        _LOADED[key] = content, load()
    return cast(Kept, _LOADED[key][1])


def _place(name: str) -> str | Path:
    """A checkpoint's name, or its path."""
    return place(name) if "/" in name or name.startswith("~") else name
