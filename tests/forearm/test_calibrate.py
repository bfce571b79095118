"""Bounds from normal motion."""

import numpy as np

from forearm.calibrate import fitting
from forearm.calibrate.__main__ import main
from forearm.calibrate.motion import Shown


def shown(rng: np.random.Generator, shift: float = 0.0) -> Shown:
    latents = rng.normal(size=(60, 6))
    pictures = np.full((60, 192), 100.0) + rng.normal(size=(60, 192)) + shift
    return Shown(latents, pictures, 0.1 * latents[:, :3])


def test_bounds_keep_normal_motion_and_stop_what_is_not() -> None:
    rng = np.random.default_rng(0)
    looks = fitting.bounded(fitting.fitted([shown(rng) for _ in range(20)]), [shown(rng) for _ in range(20)])
    assert fitting.false_stops(looks, [shown(rng) for _ in range(20)]) == 0
    assert fitting.false_stops(looks, [shown(rng, shift=50.0)]) == 1


def test_the_radius_is_where_arms_have_arrived() -> None:
    apart = np.linspace(0.2, 0.0, 400)
    part = Shown(np.zeros((400, 2)), np.zeros((400, 192)), np.zeros((400, 3)), apart, apart**2)
    found = fitting.radius([part], success=0.04)
    assert found is not None and (0.75 * 0.04) ** 2 <= found < 0.04**2
    away = Shown(np.zeros((9, 2)), np.zeros((9, 192)), np.zeros((9, 3)), np.ones(9), np.zeros(9))
    assert fitting.radius([away], success=0.04) is None


def test_what_cannot_be_calibrated_is_said(capsys: object) -> None:
    assert main(["--task", "nonsense"]) == 2
    assert main(["--task", "push", "--hours", "0"]) == 2
