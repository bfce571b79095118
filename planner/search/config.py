"""Settings that every planner has."""

from dataclasses import dataclass
from itertools import pairwise

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.sampling.knots import INTERPOLATIONS

BEST, MEAN = EXECUTED = ("best", "mean")
"""What of a search can be carried out."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Settings of every planner; raises `ValueError` when they contradict each other.

    Attributes:
        horizon: control steps looked ahead.
        samples: candidates per iteration and problem, candidate 0 (the current mean) included.
        iterations: rounds of candidates.
        action_repeat: control steps that a searched command is held.
        deadline_ms: stop after the iteration beyond which this, in ms, would be missed; None: never.
        warm_start: begin from the previous plan, shifted in time.
        knots: a number of knots over the horizon, or their times in seconds, whose curve is searched; None: every
            command is.
        interpolation: of the curve through the knots: `zero`, `linear` or `cubic`.
        tolerance: stop when an iteration adds at most this share of the gain since the first, and the search looks no
            further than `spread_tolerance`; None: never.
        spread_tolerance: the spread, in halves of a command's range, or the height of the candidates' costs above the
            best, as a share of that in the first iteration, at which a search has converged. Dimensions without any
            effect do not hold it up.
        prior_share: share of the candidates drawn from proposals, the previous plan if there are no others.
        polish: steps of Adam through the model from the best candidate at the end.
        polish_rate: their length, in halves of a command's range.
        execute: `best` carries out the best candidate seen; `mean`, where the search ended, as most papers on MPPI and
            CEM do, is less exposed to what a learned model is wrong about.
    """

    horizon: int = checks.setting(10, checks.integer, least=1)
    samples: int = checks.setting(128, checks.integer, least=2)
    iterations: int = checks.setting(4, checks.integer, least=1)
    action_repeat: int = checks.setting(1, checks.integer, least=1)
    deadline_ms: float | None = checks.setting(None, checks.real, above=0.0)
    warm_start: bool = checks.setting(True, checks.flag)
    knots: int | tuple[float, ...] | None = None
    interpolation: str = checks.setting("linear", checks.choice, known=INTERPOLATIONS)
    tolerance: float | None = checks.setting(None, checks.real, least=0.0, below=1.0)
    spread_tolerance: float = checks.setting(0.1, checks.real, least=0.0)
    prior_share: float = checks.setting(0.0, checks.real, least=0.0, most=1.0)
    polish: int = checks.setting(0, checks.integer, least=0)
    polish_rate: float = checks.setting(0.05, checks.real, above=0.0)
    execute: str = checks.setting(BEST, checks.choice, known=EXECUTED)

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        checks.settings(self)
        if self.action_repeat > self.horizon:
            raise InputError(f"action_repeat ({self.action_repeat}) is larger than horizon ({self.horizon})")
        if self.knots is None:
            return
        if not hasattr(self.knots, "__iter__"):
            count = checks.integer("knots", self.knots, 1)
            slots = -(-self.horizon // self.action_repeat)
            if count > slots:
                raise InputError(f"knots ({count}) is larger than the number of commands to choose ({slots})")
            object.__setattr__(self, "knots", count)
            return
        times = checks.reals("knots", self.knots, least=0.0)
        assert isinstance(times, tuple)
        if any(after <= before for before, after in pairwise(times)):
            raise InputError(f"knots must be times that rise, got {list(times)}")
        object.__setattr__(self, "knots", times)
