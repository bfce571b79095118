"""Bounds from normal motion."""

from dataclasses import replace

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


def test_a_picture_of_another_camera_is_told_where_it_can_be() -> None:
    rng = np.random.default_rng(1)
    other = 3.0 * rng.normal(size=192)  # less than usual pictures vary in all, but in a way of its own

    def both() -> Shown:
        plain = shown(rng)
        wide = plain.pictures + 30.0 * rng.normal(size=(60, 1)) * np.linspace(-1.0, 1.0, 192)
        wrong = {"of camera 'side'": wide[:20] + other, "the same": wide[20:40].copy()}
        return replace(plain, pictures=wide, mistakes=wrong)

    looks = fitting.bounded(fitting.fitted([both() for _ in range(20)]), [both() for _ in range(20)])
    assert looks.mistakes == ("of camera 'side'",)
    told = looks.how_mistaken(both().mistakes["of camera 'side'"])[:, 0] > looks.mistake_bounds[0]
    assert told.all() and fitting.false_stops(looks, [both() for _ in range(20)]) == 0


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
