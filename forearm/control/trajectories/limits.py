"""What no command may exceed, and a readable account of what would have exceeded it, by how much, where and when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from forearm.control.trajectories.trajectory import Array, Trajectory
from forearm.errors import InputError

SLACK = 1e-6
"""Share of a limit that rounding may use up."""


@dataclass(frozen=True, eq=False)
class Limits:
    """Bounds of D axes: `names`, lowest and highest position, largest velocity, acceleration and jerk, (D,) each.

    Positions in rad or m, as the axis has it; the others per second, per second squared and cubed. Positions of an axis
    that turns or slides without end have infinite bounds.
    Raises ValueError for lengths that differ and bounds that leave no room.
    """

    names: Sequence[str]
    low: Array
    high: Array
    velocity: Array
    acceleration: Array
    jerk: Array
    units: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        """Check the bounds."""
        count = len(self.names)
        object.__setattr__(self, "units", tuple(self.units) or ("rad",) * count)
        for name in ("low", "high", "velocity", "acceleration", "jerk"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, value)
            usable = ~np.isnan(value) if name in ("low", "high") else np.isfinite(value)
            if value.shape != (count,) or not usable.all():
                raise InputError(f"{name} limits: expected {count} finite numbers for {', '.join(self.names)}")
        for i in range(count):
            if not self.low[i] < self.high[i]:
                raise InputError(f"{self.names[i]}: nothing is left between {self.low[i]} and {self.high[i]}")
            if min(self.velocity[i], self.acceleration[i], self.jerk[i]) <= 0:
                raise InputError(f"{self.names[i]}: velocity, acceleration and jerk limits must be above 0")

    def apart(self, one: Array, other: Array) -> Array:
        """How far two positions (…, D) are from each other, in rad or m.

        Whole turns do not count for a joint that turns without end: many encoders begin anew after one.
        """
        return abs(self._gap(one, other))

    def near(self, one: Array, other: Array) -> Array:
        """`one` (…, D), by whole turns as near to `other` as can be for joints that turn without end."""
        return np.where(self._endless, np.asarray(other, np.float64) + self._gap(one, other), one)

    @property
    def _endless(self) -> np.ndarray:
        return np.array([unit == "rad" for unit in self.units]) & np.isinf(self.low) & np.isinf(self.high)

    def _gap(self, one: Array, other: Array) -> Array:
        gap = np.asarray(one, np.float64) - other
        return np.where(self._endless, (gap + np.pi) % (2 * np.pi) - np.pi, gap)


@dataclass(frozen=True)
class Violation:
    """One thing that went, or would have gone, too far: the worst of its kind, where it was worst."""

    kind: str
    where: str
    time: float
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        """One line."""
        side = "below" if self.kind in ("position low", "workspace low", "clearance") else "above"
        return (
            f"{self.where}: {self.kind.split()[0]} {self.value:.4g} {self.unit} is {side} {self.limit:.4g} {self.unit} "
            f"at {self.time:.3f} s"
        )


@dataclass(frozen=True)
class LimitReport:
    """What was found wrong with a path; empty for one that keeps every limit."""

    violations: tuple[Violation, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.violations

    @property
    def first(self) -> float:
        """Time of the earliest violation, s; infinite where there is none."""
        return min((v.time for v in self.violations), default=np.inf)

    def of(self, *kinds: str) -> "LimitReport":
        """Only those whose kind begins with one of `kinds`."""
        return LimitReport(tuple(v for v in self.violations if v.kind.startswith(kinds)))

    def shifted(self, seconds: float) -> "LimitReport":
        """The same with all times moved by `seconds`."""
        return LimitReport(tuple(Violation(**{**vars(v), "time": v.time + seconds}) for v in self.violations))

    def __add__(self, other: "LimitReport") -> "LimitReport":
        return LimitReport(self.violations + other.violations)

    def __str__(self) -> str:
        """One line each, in the order of time."""
        if self.ok:
            return "within all limits"
        return "\n".join(str(v) for v in sorted(self.violations, key=lambda v: v.time))


def check(path: Trajectory, limits: Limits) -> LimitReport:
    """The worst violation of each axis and kind along a trajectory, found exactly, not by sampling."""
    seen = path.extremes()
    found: list[Violation] = []
    rows: Iterable[tuple[str, Array, Array, str, int]] = (
        ("position low", seen.position_low, limits.low, "{}", -1),
        ("position high", seen.position_high, limits.high, "{}", 1),
        ("velocity", seen.velocity, limits.velocity, "{}/s", 1),
        ("acceleration", seen.acceleration, limits.acceleration, "{}/s²", 1),
        ("jerk", seen.jerk, limits.jerk, "{}/s³", 1),
    )
    for kind, values, bound, unit, sign in rows:
        room = SLACK * np.maximum(1.0, abs(bound))
        excess = sign * (values - bound) - room
        for axis in map(int, np.flatnonzero((excess > 0).any(axis=0))):
            piece = int(excess[:, axis].argmax())
            found.append(
                Violation(
                    kind,
                    limits.names[axis],
                    float(path.times[piece]),
                    float(values[piece, axis]),
                    float(bound[axis]),
                    unit.format(limits.units[axis]),
                )
            )
    return LimitReport(tuple(found))


def keeps(path: Trajectory, limits: Limits) -> np.ndarray:
    """Which pieces (N,) keep every limit."""
    seen = path.extremes()
    ok = np.ones(len(path.position), dtype=bool)
    for values, bound, sign in (
        (seen.position_low, limits.low, -1),
        (seen.position_high, limits.high, 1),
        (seen.velocity, limits.velocity, 1),
        (seen.acceleration, limits.acceleration, 1),
        (seen.jerk, limits.jerk, 1),
    ):
        room = SLACK * np.maximum(1.0, abs(bound))
        ok &= (sign * (values - bound) <= room).all(axis=1)
    return ok
