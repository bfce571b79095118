import copy

import mujoco
import numpy as np

from forearm.envs.twin import Twin, decimate

SIDES = 110


def ball() -> str:
    """A sphere of 24,000 triangles as a mesh, in front of a wall."""
    turn, rise = np.linspace(0, 2 * np.pi, SIDES, endpoint=False), np.linspace(0.05, np.pi - 0.05, SIDES)
    points = [(np.sin(b) * np.cos(a), np.sin(b) * np.sin(a), np.cos(b)) for b in rise for a in turn]
    faces = []
    for i in range(SIDES - 1):
        for j in range(SIDES):
            a, b = i * SIDES + j, i * SIDES + (j + 1) % SIDES
            faces += [(a, a + SIDES, b), (b, a + SIDES, b + SIDES)]
    vertices = " ".join(f"{0.1 * x:.5f}" for point in points for x in point)
    corners = " ".join(str(i) for face in faces for i in face)
    return f"""<mujoco><visual><headlight ambient="0.9 0.9 0.9"/></visual>
        <asset><mesh name="ball" vertex="{vertices}" face="{corners}"/></asset><worldbody>
        <light pos="0 -1 1"/><camera name="front" pos="0 -0.6 0" xyaxes="1 0 0 0 0 1"/>
        <body name="ball"><joint type="slide" axis="1 0 0"/><geom type="mesh" mesh="ball" rgba="1 0.2 0.1 1"/></body>
        <body name="other" pos="0 0 -0.2"><geom size="0.02" rgba="0 1 0 1"/></body>
        <site name="goal" size="0.05" pos="0.2 0 0.2" rgba="0 0 1 1"/></worldbody></mujoco>"""


MODEL = mujoco.MjModel.from_xml_string(ball())


def test_fewer_triangles_show_nearly_the_same_picture_and_physics_keeps_its_own():
    faces, data = int(MODEL.mesh_facenum.sum()), mujoco.MjData(MODEL)
    whole, thin = (Twin(MODEL, data, {"front": "front"}, cell) for cell in (0.0, 0.01))
    thinned = int(thin._twin.mesh_facenum.sum())
    assert int(MODEL.mesh_facenum.sum()) == faces == int(whole._twin.mesh_facenum.sum()) and thinned < faces / 3
    one, other = whole.render("front", 64), thin.render("front", 64)
    assert (one[..., 0] > 150).sum() > 200  # the ball is there
    assert np.abs(one.astype(int) - other).mean() < 3
    whole.close(), thin.close()


def test_small_meshes_keep_their_shape():
    small = copy.copy(MODEL)
    decimate(small, cell=10.0)
    assert small.mesh_facenum[0] > 200


def test_drawing_follows_the_state_and_leaves_it_alone():
    data = mujoco.MjData(MODEL)
    twin = Twin(MODEL, data, {"front": "front"})
    at_first = twin.render("front", 64)
    data.qpos[0] = 0.1
    before = data.xpos.copy()
    moved = twin.render("front", 64)
    assert not np.array_equal(moved, at_first) and np.array_equal(data.xpos, before)
    columns = [(frame[..., 0] > 150).nonzero()[1].mean() for frame in (at_first, moved)]
    assert columns[1] > columns[0] + 5
    twin.close()


def test_hidden_bodies_and_goal_markers_are_not_drawn_and_upside_down_is_turned():
    data = mujoco.MjData(MODEL)
    shown, hidden = Twin(MODEL, data, {"front": "front"}), Twin(MODEL, data, {"front": "front"}, hidden=("other",))
    green = [((f[..., 1] > 120) & (f[..., 0] < 90)).sum() for f in (t.render("front", 64) for t in (shown, hidden))]
    assert green[0] > 4 and green[1] == 0
    frame = shown.render("front", 64)
    assert not ((frame[..., 2] > 120) & (frame[..., 0] < 90)).any()
    turned = Twin(MODEL, data, {"front": "front"}, flipped=("front",))
    assert np.array_equal(turned.render("front", 64), frame[::-1, ::-1])
    for twin in (shown, hidden, turned):
        twin.close()
