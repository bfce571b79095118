"""Settings that every planner has."""

from dataclasses import dataclass
from itertools import pairwise

from forearm.errors import InputError
from forearm.planner import checks
from forearm.planner.sampling.knots import INTERPOLATIONS

BEST, MEAN = EXECUTED = ("best", "mean")
"""What of a search can be carried out."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Settings of every planner; raises `ValueError` when they contradict each other.

    `horizon` is in control steps. `samples` is the number of candidates per iteration and problem,
    candidate 0 (the current mean) included. `action_repeat` is the number of control steps that one
    command is held. `deadline_ms`, if given, ends the search after the iteration beyond which it
    would be missed. `warm_start` says whether the previous plan is the first proposal of the next.

    `knots`: None searches every command; a number of knots, or their times in seconds from the start of
    the plan, searches a curve of that `interpolation` (`zero`, `linear`, `cubic`) instead. `tolerance`, if
    given, ends a search that has converged: an iteration added at most this share of all that was gained
    since the first, and it looks no further than `spread_tolerance`: its spread is at most that, in halves of
    a command's range, or its candidates' costs lie at most that share as far above the best as in the first
    iteration (which dimensions without any effect do not hold up).
    `prior_share` of the candidates come from the planner's proposals. `polish` steps of Adam through the
    model, with steps of `polish_rate` halves of a command's range, refine the best candidate at the end.
    `execute`: whether a plan's commands are the `best` candidate seen, or the `mean` on which the search ended, which
    is less exposed to what a learned model is wrong about.
    """

    horizon: int = 10
    samples: int = 128
    iterations: int = 5
    action_repeat: int = 1
    deadline_ms: float | None = None
    warm_start: bool = True
    knots: int | tuple[float, ...] | None = None
    interpolation: str = "linear"
    tolerance: float | None = None
    spread_tolerance: float = 0.1
    prior_share: float = 0.0
    polish: int = 0
    polish_rate: float = 0.05
    execute: str = BEST

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        self._set("horizon", checks.integer("horizon", self.horizon, 1))
        self._set("samples", checks.integer("samples", self.samples, 2))
        self._set("iterations", checks.integer("iterations", self.iterations, 1))
        self._set("action_repeat", checks.integer("action_repeat", self.action_repeat, 1))
        if self.action_repeat > self.horizon:
            raise InputError(f"action_repeat ({self.action_repeat}) is larger than horizon ({self.horizon})")
        if self.deadline_ms is not None:
            self._set("deadline_ms", checks.real("deadline_ms", self.deadline_ms, above=0.0))
        checks.flag("warm_start", self.warm_start)
        self._check_knots()
        if self.tolerance is not None:
            self._set("tolerance", checks.real("tolerance", self.tolerance, least=0.0, below=1.0))
        self._set("spread_tolerance", checks.real("spread_tolerance", self.spread_tolerance, least=0.0))
        self._set("prior_share", checks.real("prior_share", self.prior_share, least=0.0, most=1.0))
        self._set("polish", checks.integer("polish", self.polish, 0))
        self._set("polish_rate", checks.real("polish_rate", self.polish_rate, above=0.0))
        checks.choice("execute", self.execute, EXECUTED)

    def _check_knots(self) -> None:
        checks.choice("interpolation", self.interpolation, INTERPOLATIONS)
        if self.knots is None:
            return
        if not hasattr(self.knots, "__iter__"):
            count = checks.integer("knots", self.knots, 1)
            slots = -(-self.horizon // self.action_repeat)
            if count > slots:
                raise InputError(f"knots ({count}) is larger than the number of commands to choose ({slots})")
            self._set("knots", count)
            return
        times = checks.reals("knots", self.knots, least=0.0)
        assert isinstance(times, tuple)
        if any(after <= before for before, after in pairwise(times)):
            raise InputError(f"knots must be times that rise, got {list(times)}")
        self._set("knots", times)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
