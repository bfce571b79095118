"""Other projects' planners as runners, over the same rollout function and the same cost.

    stable-worldmodel 0.1.1   CEM, iCEM, MPPI    whole candidate sequences
    pytorch-mppi 0.9.1        MPPI               step by step
    pytorch-icem 0.1.0        iCEM               step by step

Each runs as its documentation drives it, under inference mode, without output, on as many threads as ours. What is done
for them beyond that: they start from the middle of the bounds, and those that keep no bounds are given clipped
candidates where the cost of a plan is judged (`clip`), for a command outside the bounds cannot be carried out.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from tools.bench.cases import Case

PACKAGES = ("stable-worldmodel", "pytorch-mppi", "pytorch-icem")


class _Silence(io.TextIOBase):
    """Where the solvers that print may print."""

    def write(self, text: str) -> int:
        """Nothing is kept."""
        return len(text)


_SILENCE = _Silence()


def _judging(settings: dict[str, Any]) -> dict[str, bool]:
    """Takes `clip` and `watch` out of a peer's settings."""
    return {key: settings.pop(key, False) for key in ("clip", "watch")}


class PeerRunner:
    """One peer's planner on one case. `run` returns the commands it would send, (V, A).

    `best` is the lowest cost of a candidate seen since the last `reset`; it is only watched with `watch=True`, which
    costs time.
    """

    def __init__(self, case: Case, samples: int, iterations: int, *, clip: bool = False, watch: bool = False) -> None:
        self.case, self.samples, self.iterations = case, samples, iterations
        self.clip, self.watch = clip, watch
        self.best = float("inf")

    def reset(self, seed: int) -> None:
        """Start the random stream anew and forget the last plan."""
        self.best = float("inf")

    def begin_with(self, proposal: Tensor) -> None:
        """Begin the next plan with a proposal (V, A): the rest of the one before."""

    def run(self) -> Tensor:
        """One plan."""
        raise NotImplementedError

    def quality(self, seed: int) -> float:
        """Cost of its plan: of the commands it returns or, if that is lower, of the best candidate it saw."""
        self.reset(seed)
        return min(self.case.cost_of(self.run()), self.best)

    def _within(self, actions: Tensor) -> Tensor:
        return self.case.clip(actions) if self.clip else actions

    def _saw(self, costs: Tensor) -> Tensor:
        if self.watch:
            self.best = min(self.best, float(costs.min()))
        return costs


class StableWorldModel(PeerRunner):
    """A solver of stable-worldmodel: `solver` is `CEM`, `ICEM` or `MPPI`; it asks `self` for costs."""

    solver_class = ""

    def __init__(self, case: Case, samples: int, iterations: int, **settings: Any) -> None:
        super().__init__(case, samples, iterations, **_judging(settings))
        solvers = _stable_worldmodel()
        self.solver = getattr(solvers, self.solver_class)(
            self, num_samples=samples, n_steps=iterations, device=case.device, **settings
        )
        from gymnasium.spaces import Box

        # The first axis is that of the environments.
        low, high = (bound.float().cpu().numpy()[None] for bound in (case.problem.low, case.problem.high))
        config = types.SimpleNamespace(horizon=case.variables, action_block=1)
        self.solver.configure(action_space=Box(low, high), n_envs=1, config=config)
        self._info = {"state": torch.zeros(1, 1, device=case.device)}
        self._proposal: Tensor | None = None

    def reset(self, seed: int) -> None:
        """Start the random stream anew."""
        super().reset(seed)
        self.solver.torch_gen.manual_seed(seed)

    def begin_with(self, proposal: Tensor) -> None:
        """As its policies do."""
        self._proposal = proposal[None]

    def run(self) -> Tensor:
        """One plan: the mean of the last iteration."""
        with contextlib.redirect_stdout(_SILENCE):
            return self.solver.solve(self._info, init_action=self._proposal)["actions"][0]

    def get_cost(self, info: Mapping[str, Any], candidates: Tensor) -> Tensor:
        """What a solver asks of its model: costs (1, K) of candidates (1, K, V, A)."""
        return self._saw(self.case.evaluate(self._within(candidates)))


class SwmCEM(StableWorldModel):
    """stable-worldmodel's CEM."""

    solver_class = "CEMSolver"


class SwmICEM(StableWorldModel):
    """stable-worldmodel's iCEM; it keeps bounds itself."""

    solver_class = "ICEMSolver"


class SwmMPPI(StableWorldModel):
    """stable-worldmodel's MPPI."""

    solver_class = "MPPISolver"


class PytorchMPPI(PeerRunner):
    """pytorch-mppi's MPPI; one `command` is one iteration. It keeps bounds itself."""

    def __init__(self, case: Case, samples: int, iterations: int, **settings: Any) -> None:
        super().__init__(case, samples, iterations, **_judging(settings))
        from pytorch_mppi import MPPI

        step, stage_cost, start = _steps(case)
        std = settings.pop("std", 0.5)
        self._start, self._total = start, torch.zeros(samples, device=case.device)

        def running_cost(states: Tensor, actions: Tensor, t: int) -> Tensor:
            cost = stage_cost(states, t)
            if self.watch:
                self._total = cost if t == 0 else self._total + cost
                if t == case.variables - 1:
                    self._saw(self._total)
            return cost

        self.controller = MPPI(
            lambda states, actions, t: step(states, actions),
            running_cost,
            len(start),
            torch.eye(case.dims, device=case.device) * std**2,
            num_samples=samples,
            horizon=case.variables,
            device=case.device,
            u_min=case.problem.low,
            u_max=case.problem.high,
            U_init=torch.zeros(case.variables, case.dims, device=case.device),
            step_dependent_dynamics=True,
            **settings,
        )

    def reset(self, seed: int) -> None:
        """Start the random stream anew."""
        super().reset(seed)
        torch.manual_seed(seed)
        self.controller.U = torch.zeros_like(self.controller.U)

    def begin_with(self, proposal: Tensor) -> None:
        """The nominal sequence, shifted."""
        self.controller.U = proposal.clone()

    @torch.inference_mode()
    def run(self) -> Tensor:
        """One plan: the nominal sequence."""
        for _ in range(self.iterations):
            self.controller.command(self._start, shift_nominal_trajectory=False)
        return self.controller.get_action_sequence()


class PytorchICEM(PeerRunner):
    """pytorch-icem's iCEM; one `command` runs all iterations.

    It draws its noise through colorednoise, which from version 2 on makes itself a new stream in every call that names
    none: no seed of numpy's or torch's reaches it. Here it is handed one, see `_SeededNoise`.
    """

    def __init__(self, case: Case, samples: int, iterations: int, **settings: Any) -> None:
        super().__init__(case, samples, iterations, **_judging(settings))
        from pytorch_icem import iCEM, icem

        step, stage_cost, start = _steps(case)
        std = settings.pop("std", 0.5)
        self._start, self._module = start, icem
        self._noise = _SeededNoise(icem.colorednoise.powerlaw_psd_gaussian)

        def dynamics(states: Tensor, actions: Tensor) -> Tensor:
            return step(states, self._within(actions))

        def trajectory_cost(states: Tensor, actions: Tensor) -> Tensor:
            total = stage_cost(states[:, 0], 0)
            for t in range(1, case.variables):
                total = total + stage_cost(states[:, t], t)
            return self._saw(total)

        # Version 0.1.0 refuses every number of action dimensions but one (it compares it with the rank of sigma), so
        # it is made for one and told of the others afterwards.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about how it copies sigma
            self.controller = iCEM(
                dynamics,
                trajectory_cost,
                len(start),
                1,
                sigma=torch.full((1,), std, device=case.device),
                num_samples=samples,
                horizon=case.variables,
                warmup_iters=iterations,
                online_iters=iterations,
                device=case.device,
                **settings,
            )
        self.controller.nu = case.dims
        self.controller.sigma = torch.full((case.dims,), std, device=case.device)
        self.controller.reset()

    def reset(self, seed: int) -> None:
        """Start the random stream anew."""
        super().reset(seed)
        torch.manual_seed(seed)
        self._noise.random_state = np.random.default_rng(seed)
        self.controller.reset()

    def begin_with(self, proposal: Tensor) -> None:
        """The mean, shifted."""
        self.controller.mean = proposal.clone()

    @torch.inference_mode()
    def run(self) -> Tensor:
        """One plan: the best sequence of the last iteration."""
        # `command` gives the first step alone; the best sequence is the first of the elites that it keeps.
        with patch.object(self._module, "colorednoise", self._noise):
            self.controller.command(self._start, shift_nominal_trajectory=False)
        return self.controller.kept_elites[0]


class _SeededNoise:
    """What pytorch-icem calls in place of the module `colorednoise`: the same function, drawing from one stream."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.random_state = function, np.random.default_rng(0)

    def powerlaw_psd_gaussian(self, exponent: float, size: Any) -> Any:
        """Its noise, from the stream of this runner."""
        return self.function(exponent, size, random_state=self.random_state)


@dataclass(frozen=True)
class Peer:
    """A peer's planner: how to make it, whether it goes step by step, and the settings it is tuned over.

    `defaults` are its own. `grid` holds, for each setting, the values tried on tuning problems before the cost of its
    plans is judged.
    """

    name: str
    make: Callable[..., PeerRunner]
    stepwise: bool
    bounded: bool
    grid: Mapping[str, tuple[Any, ...]]

    def settings(self) -> Iterator[dict[str, Any]]:
        """Every combination in the grid, the package's own defaults first."""
        yield {}
        for values in product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))


STDS = (0.3, 0.5, 1.0)
TEMPERATURES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
PEERS = {
    peer.name: peer
    for peer in (
        Peer("stable-worldmodel CEM", SwmCEM, False, False, {"var_scale": STDS, "topk": (10, 30)}),
        Peer("stable-worldmodel iCEM", SwmICEM, False, True, {"var_scale": STDS, "topk": (10, 30)}),
        Peer("stable-worldmodel MPPI", SwmMPPI, False, False, {"var_scale": STDS, "temperature": TEMPERATURES}),
        Peer("pytorch-mppi MPPI", PytorchMPPI, True, True, {"std": STDS, "lambda_": TEMPERATURES}),
        Peer("pytorch-icem iCEM", PytorchICEM, True, False, {"std": STDS, "num_elites": (10, 30)}),
    )
}


@cache
def available() -> dict[str, Peer]:
    """The peers that are installed here."""
    modules = {"stable-worldmodel": "stable_worldmodel", "pytorch-mppi": "pytorch_mppi", "pytorch-icem": "pytorch_icem"}
    found = {name for name, module in modules.items() if importlib.util.find_spec(module) is not None}
    return {name: peer for name, peer in PEERS.items() if name.partition(" ")[0] in found}


def versions() -> dict[str, str]:
    """Installed versions of the peers' packages."""
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _steps(case: Case) -> tuple[Any, Any, Tensor]:
    if case.step is None or case.stage_cost is None or case.start is None:
        raise ValueError(f"{case.name} has no step function for a peer that steps")
    return case.step, case.stage_cost, case.start


def _stable_worldmodel() -> Any:
    """Its solvers, without the data sets and environments that `import stable_worldmodel` loads as well."""
    name = "stable_worldmodel"
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)  # made, but its __init__ is not run
    return importlib.import_module(f"{name}.solver")
