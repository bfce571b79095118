"""What is planned: one problem in two forms, whole sequences at once and step by step.

Some planners hand whole candidate sequences to a rollout function, others call a step function themselves. A `Case`
has both forms of the same model and cost, with the same matrix products inside.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from forearm.planner import LatentDistance, Problem

if TYPE_CHECKING:
    from forearm.envs import ArmEnv
    from forearm.world_model import JEPA

Step = Callable[[Tensor, Tensor], Tensor]
StageCost = Callable[[Tensor, int], Tensor]


@dataclass
class Case:
    """One planning problem (B = 1).

    `variables` V search variables along time, each held for `repeat` control steps. `step` takes model states
    (N, X) and one search variable each (N, A) to the next states; `start` (X,) is the first. `stage_cost` is what
    step t adds to the cost, (N,). `step` is None where the model has no such form. `differentiable` says whether
    gradients of the cost reach the commands.
    """

    name: str
    problem: Problem
    variables: int
    repeat: int = 1
    step: Step | None = None
    stage_cost: StageCost | None = None
    start: Tensor | None = None
    differentiable: bool = False

    @property
    def horizon(self) -> int:
        """Control steps."""
        return self.variables * self.repeat

    @property
    def dims(self) -> int:
        """A, the number of action dimensions."""
        return len(self.problem.low)

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.problem.low.device

    def evaluate(self, candidates: Tensor) -> Tensor:
        """Costs (1, K) of candidates (1, K, V, A): the rollout and the cost, nothing else."""
        commands = candidates if self.repeat == 1 else candidates.repeat_interleave(self.repeat, dim=2)
        trajectory = self.problem.dynamics.rollout(self.problem.state, commands)
        return torch.as_tensor(self.problem.objective.cost(trajectory, commands))

    def evaluate_steps(self, candidates: Tensor) -> Tensor:
        """The same costs (1, K), step by step."""
        assert self.step is not None and self.stage_cost is not None and self.start is not None
        states = self.start.expand(candidates.shape[1], -1)
        total = states.new_zeros(len(states))
        for t in range(self.variables):
            states = self.step(states, candidates[0, :, t])
            total = total + self.stage_cost(states, t)
        return total[None]

    def clip(self, sequence: Tensor) -> Tensor:
        """The nearest sequence (..., A) within the bounds."""
        return torch.clamp(sequence, self.problem.low, self.problem.high)

    @torch.inference_mode()
    def cost_of(self, sequence: Tensor) -> float:
        """Cost of one sequence (V, A), brought within the bounds."""
        within = self.clip(sequence.to(self.problem.low))
        # Two rows, as a product with a single row may round by another rule.
        return float(self.evaluate(within.expand(1, 2, -1, -1))[0, 0])

    @torch.inference_mode()
    def random_candidates(self, samples: int, count: int, seed: int = 0) -> list[Tensor]:
        """`count` sets of candidates (1, samples, V, A), uniform within the bounds."""
        generator = torch.Generator().manual_seed(seed)
        low, high = self.problem.low, self.problem.high
        shape = (1, samples, self.variables, self.dims)
        return [low + (high - low) * torch.rand(shape, generator=generator).to(low) for _ in range(count)]


class MLPLatent:
    """A latent that a two-layer perceptron moves: z' = z + W2 silu(W1 [z, a] + b1) + b2.

    Weights are random and fixed by `seed`; the scale keeps rollouts of 15 steps bounded and commands effective.
    """

    def __init__(self, latent: int = 192, dims: int = 5, width: int = 192, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        size = latent + dims
        enter = torch.randn(width, size, generator=generator) / size**0.5
        enter[:, latent:] *= (size / dims) ** 0.5  # commands weigh as much as the latent
        self.enter, self.bias = enter.T.contiguous(), 0.1 * torch.randn(width, generator=generator)
        self.leave = 0.5 * torch.randn(width, latent, generator=generator) / width**0.5
        self.leave_bias = torch.zeros(latent)
        self.latent, self.dims = latent, dims

    def to(self, device: torch.device) -> "MLPLatent":
        """Move the weights there."""
        for name in ("enter", "bias", "leave", "leave_bias"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def step(self, states: Tensor, actions: Tensor) -> Tensor:
        """Next states (N, D) after actions (N, A)."""
        return states + self._change(states, actions)

    def _change(self, states: Tensor, actions: Tensor) -> Tensor:
        hidden = torch.addmm(self.bias, torch.cat((states, actions), dim=1), self.enter)
        return torch.addmm(self.leave_bias, torch.nn.functional.silu(hidden), self.leave)

    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """States (B, K, H, D) after each of actions (B, K, H, A), from state (B, D)."""
        batch, candidates, horizon, _ = actions.shape
        if torch.is_grad_enabled():
            return torch.stack([self._followed(state[b], actions[b]) for b in range(batch)])
        # Steps outermost in memory, so that each is written in one piece.
        trajectory = state.new_empty(batch, horizon, candidates, self.latent)
        for b in range(batch):
            current = state[b].expand(candidates, -1)
            for t in range(horizon):
                current = torch.add(current, self._change(current, actions[b, :, t]), out=trajectory[b, t])
        return trajectory.transpose(1, 2)

    def _followed(self, state: Tensor, actions: Tensor) -> Tensor:
        """States (K, H, D) through which gradients come back."""
        current, states = state.expand(actions.shape[0], -1), []
        for t in range(actions.shape[1]):
            current = self.step(current, actions[:, t])
            states.append(current)
        return torch.stack(states, dim=1)

    def products(self, samples: int, horizon: int) -> Callable[[], None]:
        """The matrix products of one rollout, and nothing else, with every buffer made beforehand."""
        inputs = torch.randn(samples, self.latent + self.dims).to(self.enter)
        hidden = torch.randn(samples, self.enter.shape[1]).to(self.enter)
        first, second = torch.empty_like(hidden), inputs.new_empty(samples, self.latent)

        def run() -> None:
            for _ in range(horizon):
                torch.mm(inputs, self.enter, out=first)
                torch.mm(hidden, self.leave, out=second)

        return run


def stage_cost_of(objective: LatentDistance, variables: int, latent: Callable[[Tensor], Tensor]) -> StageCost:
    """What each step adds to a weighted latent distance; `latent` finds the newest latent in a model state."""
    weights = (
        [0.0] * (variables - 1) + [1.0]
        if objective.weights == "last"
        else objective.over.doubles(variables).float().tolist()
    )
    goal, metric = objective.goal[0], objective.metric

    def stage_cost(states: Tensor, t: int) -> Tensor:
        if not weights[t]:
            return states.new_zeros(len(states))
        difference = latent(states) - goal
        if metric is not None:
            difference = difference @ metric
        return weights[t] * difference.square().mean(dim=-1)

    return stage_cost


def mlp_case(index: int, variables: int, *, smooth: bool = True, device: torch.device | None = None) -> Case:
    """The `index`-th problem on the MLP latent: reach the latent that a hidden command sequence leads to.

    The hidden commands lie within the bounds, so the best cost is zero. With `smooth` they are a random walk, as an
    arm moves; without it each is drawn on its own, which favours planners whose noise is white.
    """
    where = device or torch.device("cpu")
    model = MLPLatent().to(where)
    generator = torch.Generator().manual_seed(1000 + index)
    start = torch.randn(1, model.latent, generator=generator)
    drawn = torch.randn(1, 1, variables, model.dims, generator=generator)
    hidden = (0.4 * drawn.cumsum(dim=2) if smooth else 0.6 * drawn).clamp(-1.0, 1.0)
    with torch.inference_mode():
        goal = model.rollout(start.to(where), hidden.to(where))[:, 0, -1].clone()
    objective = LatentDistance(goal, "last")
    ones = torch.ones(model.dims, device=where)
    problem = Problem(model, objective, start.to(where), -ones, ones, batch=1, control_period=0.1)
    kind = "smooth" if smooth else "white"
    return Case(
        name=f"mlp-{kind}-{variables}-{index}",
        differentiable=True,
        problem=problem,
        variables=variables,
        step=model.step,
        stage_cost=stage_cost_of(objective, variables, lambda states: states),
        start=start[0].to(where),
    )


class Nothing:
    """Dynamics and cost that compute nothing: what is left of a plan is the planner."""

    def __init__(self, samples: int, seed: int = 0) -> None:
        self._costs = torch.rand(1, samples, generator=torch.Generator().manual_seed(seed))

    def rollout(self, state: Any, actions: Tensor) -> Tensor:
        """The actions themselves."""
        return actions

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """The same random costs (1, K), always; for fewer candidates the first of them."""
        return self._costs[:, : actions.shape[1]]


def empty_case(variables: int, samples: int, dims: int = 5) -> Case:
    """A problem without any arithmetic of a model."""
    nothing = Nothing(samples)
    ones = torch.ones(dims)
    problem = Problem(nothing, nothing, None, -ones, ones, batch=1, control_period=0.1)
    costs = nothing._costs[0] / variables
    return Case(
        name=f"empty-{variables}",
        problem=problem,
        variables=variables,
        step=lambda states, actions: states,
        stage_cost=lambda states, t: costs[: len(states)],
        start=torch.zeros(1),
    )


def push_case(index: int, variables: int = 10, repeat: int = 2, seed: int = 0, prior: bool = False) -> Case:
    """Held-out episode `index` of push as its agent first sees it, with the shipped model; needs a renderer.

    `prior`: whether its planners may begin with what the prior of the shipped heads proposes, twice as bold as it is,
    as suits the tuning problems best.
    """
    from forearm.agent.setup import PlanningSetup, task_config

    task = task_config("push") | ({"proposals": ["prior"], "prior_gain": 2.0} if prior else {})
    env, info, observation = _push_episode(index, seed)
    setup = PlanningSetup.resolve(task, "cem").in_env(env)
    planning_model = setup.latent_model()
    planning_model.begin([info["goal"]])
    planning_model.observe(0, observation, None)
    return latent_case(f"push-{index}", planning_model.problem([0]), setup.model, variables, repeat)


def latent_case(name: str, problem: Problem, model: "JEPA", variables: int, repeat: int) -> Case:
    """A problem (B = 1) on a world model; step by step as well, where each step of it is a searched command."""
    objective, state, config = problem.objective, problem.state, model.config
    span, size = config.history, model.state_dim
    block = config.frameskip * config.action_dim

    def step(states: Tensor, actions: Tensor) -> Tensor:
        window = states[:, : span * size].view(-1, span, size)
        past = states[:, span * size :].view(-1, span - 1, block)
        held = actions[:, None].expand(-1, config.frameskip, -1)
        taken = torch.cat((past, model.blocks(held)), dim=1)
        following = model.predict(window, taken)
        return torch.cat((states[:, size : span * size], following, taken[:, 1:].flatten(1)), dim=1)

    with torch.inference_mode():
        past = model.blocks(state.actions)[0]
        start = torch.cat((state.states[0].flatten(), past.flatten()))
    newest = slice((span - 1) * size, (span - 1) * size + config.latent_dim)
    # One latent step is `frameskip` control steps, and a searched command is held for just as long.
    if repeat == config.frameskip and isinstance(objective, LatentDistance):
        stage_cost = stage_cost_of(objective, variables, lambda x: x[:, newest])
    else:
        stage_cost = None
    return Case(
        differentiable=True,
        name=name,
        problem=problem,
        variables=variables,
        repeat=repeat,
        step=None if stage_cost is None else step,
        stage_cost=stage_cost,
        start=start,
    )


def push_oracle_case(index: int, variables: int = 10, repeat: int = 2, seed: int = 0) -> Case:
    """The same episode with MuJoCo itself, on every core, as dynamics and the geometric cost (m)."""
    from forearm.agent.oracle import OraclePlanningModel
    from forearm.envs import TrueDynamics

    env, _, _ = _push_episode(index, seed)
    problem = replace(OraclePlanningModel([env]).problem([0]), dynamics=TrueDynamics(env, threads=os.cpu_count() or 1))
    return Case(name=f"push-oracle-{index}", problem=problem, variables=variables, repeat=repeat)


def _push_episode(index: int, seed: int) -> "tuple[ArmEnv, dict[str, Any], dict[str, Any]]":
    from forearm.common.seeds import evaluation_reset_seed
    from forearm.evaluation.env_pool import environment

    env = environment("push", "front", 64)
    observation, info = env.reset(seed=evaluation_reset_seed(seed, index))
    return env, info, observation
