import numpy as np
import pytest

pytest.importorskip("ogbench")

from forearm.envs.benchmarks.ogbench.env import cube_turn
from forearm.envs.benchmarks.ogbench.experts import lights_out


def quaternion(axis, angle):
    axis = np.array(axis, float) / np.linalg.norm(axis)
    return np.r_[np.cos(angle / 2), np.sin(angle / 2) * axis]


def product(a, b):
    w, v = a[0] * b[0] - a[1:] @ b[1:], a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])
    return np.r_[w, v]


def test_turns_of_a_cube_are_counted_modulo_its_symmetries():
    upright = np.array([1.0, 0, 0, 0])
    for degrees, expected in ((0, 0), (20, 20), (45, 45), (70, 20), (90, 0), (190, 10)):
        turned = quaternion([0, 0, 1], np.deg2rad(degrees))
        assert np.rad2deg(cube_turn(turned, upright)) == pytest.approx(expected, abs=1e-4)
    diagonal = quaternion([1, 1, 1], 2 * np.pi / 3)  # a third of a turn about a corner maps the cube onto itself
    assert cube_turn(diagonal, upright) == pytest.approx(0, abs=1e-4)
    tilted = quaternion([1, 0, 0], np.deg2rad(10))
    assert np.rad2deg(cube_turn(product(diagonal, tilted), diagonal)) == pytest.approx(10, abs=1e-4)


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (4, 4), (4, 5), (4, 6)])
def test_lights_out_is_solved(rows, columns):
    rng = np.random.default_rng(0)

    def pressed(presses):
        grid = np.zeros((rows + 2, columns + 2), int)
        for i in np.flatnonzero(presses):
            r, c = divmod(int(i), columns)
            for dr, dc in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
                grid[r + 1 + dr, c + 1 + dc] ^= 1
        return grid[1:-1, 1:-1].ravel().astype(bool)

    for _ in range(5):
        wrong = pressed(rng.random(rows * columns) < 0.4)
        assert np.array_equal(pressed(lights_out(wrong, rows, columns)), wrong)


def test_what_no_presses_can_do_is_said():
    single = np.zeros(16, bool)
    single[0] = True  # on 4 x 4 some patterns cannot be reached, a single light among them
    with pytest.raises(ValueError, match="not reachable"):
        lights_out(single, 4, 4)
