"""A plan's joint targets as a curve: the uniform cubic B-spline that has them as control points.

It is smooth (piecewise constant jerk), stays in the convex hull of its control points, so that targets within the
position limits give a curve within them, and moves no faster than from target to target in one period
(de Boor, A Practical Guide to Splines, 1978, chapter IX). It rounds corners: at a target it is off by a sixth of the
second difference of the targets.
"""

import numpy as np

from forearm.control.trajectories.trajectory import Array, Trajectory


def spline(points: Array, first: float, period: float) -> Trajectory:
    """The curve with control points (N, D), the first belonging to time `first` s, then one each `period` s.

    It runs from the second to the last but one control point's time. Where the first or last three points are equal,
    it begins or ends at rest there.

    Raises ValueError for fewer than four points.
    """
    points = np.asarray(points, dtype=np.float64)
    if len(points) < 4:
        raise ValueError(f"{len(points)} control points: a cubic B-spline needs four")
    before, here, after = points[:-3], points[1:-2], points[2:-1]
    bend = before - 2.0 * here + after
    following = points[1:-2] - 2.0 * points[2:-1] + points[3:]
    times = first + period * np.arange(1, len(points) - 1, dtype=np.float64)
    return Trajectory(
        times,
        here + bend / 6.0,
        (after - before) / (2.0 * period),
        bend / period**2,
        (following - bend) / period**3,
    )
