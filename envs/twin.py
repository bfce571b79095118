"""A render-only twin of a model: the same scene with fewer triangles, drawn fast.

At 64 pixels an arm of 100,000 triangles looks like one of 5,000. Physics stays on the original model; the twin shares
its kinematics, so its frames show the state to the pixel, and what a step starts from is not touched by drawing.
"""

import copy
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from envs.backend import mujoco
from envs.rendering import Renderer, View

MOVING = ("geom_rgba", "geom_size", "geom_pos", "geom_quat", "body_pos", "body_quat", "mat_rgba")
"""Fields of a model that environments change while they run: colours of buttons, places of fixed bodies."""
CELLS = 16
"""A mesh is divided into at least so many cells along its longest side: small parts keep their shape."""


class Twin:
    """Draws the states of one model and its data.

    Args:
        model, data: what is simulated.
        cameras: what each camera's name means: a camera of the model, or a free view.
        cell: side in metres of the grid on which the vertices of meshes are merged; 0 keeps them all.
        flipped: names of cameras whose picture is upside down and is turned by half a turn.
        hidden: bodies that are not drawn, such as a handle by which the hand is dragged.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        cameras: Mapping[str, str | View],
        cell: float = 0.01,
        flipped: tuple[str, ...] = (),
        hidden: tuple[str, ...] = (),
    ) -> None:
        self._hidden = np.isin(model.geom_bodyid, [model.body(name).id for name in hidden])
        self._model, self._data = model, data
        self._twin = copy.copy(model)
        self._cameras, self._flipped = dict(cameras), flipped
        if cell > 0:
            decimate(self._twin, cell)
        self._twin.vis.quality.offsamples = 0
        self._twin.vis.quality.shadowsize = 0
        self._posed = mujoco.MjData(self._twin)
        self._renderers: dict[int, Renderer] = {}

    def render(self, camera: str, resolution: int) -> NDArray[np.uint8]:
        """The frame (R, R, 3) uint8 of the present state."""
        for field in MOVING:
            getattr(self._twin, field)[:] = getattr(self._model, field)
        self._twin.geom_rgba[self._hidden, 3] = 0.0
        self._posed.qpos[:] = self._data.qpos
        self._posed.mocap_pos[:] = self._data.mocap_pos
        self._posed.mocap_quat[:] = self._data.mocap_quat
        mujoco.mj_kinematics(self._twin, self._posed)
        mujoco.mj_camlight(self._twin, self._posed)
        if self._twin.ntendon:
            mujoco.mj_comPos(self._twin, self._posed)
            mujoco.mj_tendon(self._twin, self._posed)
        if resolution not in self._renderers:
            self._twin.vis.global_.offwidth = self._twin.vis.global_.offheight = resolution
            # The scene is made of geoms and of what stands for lights and tendons.
            room = 200 + 2 * self._twin.ngeom + 100 * self._twin.ntendon
            self._renderers[resolution] = Renderer(self._twin, resolution, room, markers=False)
        frame = self._renderers[resolution].render(self._posed, self._cameras[camera])
        return np.ascontiguousarray(frame[::-1, ::-1]) if camera in self._flipped else frame

    def close(self) -> None:
        """Frees the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()


def decimate(model: mujoco.MjModel, cell: float) -> None:
    """Thins out the triangles of every mesh of `model`, in place, for drawing only.

    Vertex clustering (Rossignac and Borrel 1993): vertices in one cell of a grid become the one nearest to their
    mean, and triangles that lose a corner go. No vertex is moved or invented, so that nothing can vanish but what
    is smaller than a cell.
    """
    for mesh in range(model.nmesh):
        vertices = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
        extent = float(np.ptp(model.mesh_vert[vertices], axis=0).max())
        first, count = int(model.mesh_faceadr[mesh]), int(model.mesh_facenum[mesh])
        faces = slice(first, first + count)
        merged = _representatives(model.mesh_vert[vertices], min(cell, extent / CELLS))[model.mesh_face[faces]]
        a, b, c = merged.T
        whole = np.flatnonzero((a != b) & (b != c) & (c != a))
        # Smallest corner first, order kept: the two sides of a thin wall stay two triangles.
        turn = (merged[whole].argmin(1)[:, None] + np.arange(3)) % 3
        _, kept = np.unique(np.take_along_axis(merged[whole], turn, 1), axis=0, return_index=True)
        rows = whole[np.sort(kept)]
        if not len(rows):
            continue
        end = first + len(rows)
        model.mesh_face[first:end] = merged[rows]
        for field in ("mesh_facenormal", "mesh_facetexcoord"):
            values = getattr(model, field)
            values[first:end] = values[faces][rows]
        model.mesh_facenum[mesh] = len(rows)


def _representatives(vertices: NDArray[np.floating], cell: float) -> NDArray[np.int32]:
    """For each of the vertices (V, 3) the one (V,) that stands for its cell."""
    _, group = np.unique(np.floor(vertices / cell).astype(np.int64), axis=0, return_inverse=True)
    group = group.reshape(-1)
    means = np.stack([np.bincount(group, axis) for axis in vertices.T], -1) / np.bincount(group)[:, None]
    off = np.linalg.norm(vertices - means[group], axis=-1)
    order = np.lexsort((off, group))
    firsts = order[np.r_[True, np.diff(group[order]) > 0]]
    return firsts[group].astype(np.int32)
