"""A render-only twin of a model: the same scene with fewer triangles, drawn fast.

At 64 pixels an arm of 100,000 triangles looks like one of 5,000. Physics stays on the original model. A frame is drawn
from that model as it is now, whatever an environment changes in it, and from the state in a copy of its data: what a
step starts from is not touched by drawing. Only what the GL context copied, meshes above all, is the twin's.
"""

import copy
import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from packaging.version import Version

from forearm.envs.backend import mujoco
from forearm.envs.rendering import Renderer, Shape, View
from forearm.envs.uploads import Copies

STATE = mujoco.mjtState.mjSTATE_INTEGRATION
ROOM = 10_000
"""Shapes that a scene can hold beside geoms and tendons, as many as `mujoco.Renderer` has room for."""
SKIN_AND_CLOTH = (3, 13)
"""The first MuJoCo that draws flexes in a model that has a skin; tried with 3.3.0 to 4.0.1."""
CELLS = 16
"""A mesh is divided into at least so many cells along its longest side: small parts keep their shape."""


class Twin:
    """Draws the states of one model and its data, as `mujoco.Renderer` does, but for shadows, reflections and sites.

    Args:
        model, data: what is simulated.
        cameras: what each camera's name means: a camera of the model, or a free view.
        cell: side in metres of the grid on which the vertices of meshes are merged; 0 keeps them all.
        flipped: names of cameras whose picture is upside down and is turned by half a turn.
        hidden: bodies that are not drawn, such as a handle by which the hand is dragged.
        markers: whether sites are drawn, by which many models mark the goal. Left open they are not, with a warning
            that names those that `mujoco.Renderer` would show.
        fixed_assets: the model's textures, meshes, height fields, planes and fog stay as they are, so that no frame
            needs to look whether they changed, which takes some 0.1 ms per MB.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        cameras: Mapping[str, str | View],
        cell: float = 0.01,
        flipped: tuple[str, ...] = (),
        hidden: tuple[str, ...] = (),
        markers: bool | None = None,
        fixed_assets: bool = False,
    ) -> None:
        self._hidden = np.flatnonzero(np.isin(model.geom_bodyid, [model.body(name).id for name in hidden]))
        self._model, self._data, self._cell = model, data, cell
        self.cameras, self._flipped = dict(cameras), flipped
        if markers is None and (sites := _visible_sites(model)):
            warnings.warn(
                f"frames do not show the sites {sites}, as sites often mark the goal: "
                "markers=True draws them, markers=False says that this is meant",
                stacklevel=2,
            )
        if model.nflex and model.nskin and Version(mujoco.__version__).release < SKIN_AND_CLOTH:
            warnings.warn(
                f"MuJoCo {mujoco.__version__} draws no cloth (flex) in a model that also has a skin: "
                "use mujoco 3.13 or newer, or drop the skin",
                stacklevel=2,
            )
        self._markers = bool(markers)
        self._copies = None if fixed_assets else Copies(model)
        self._twin = self._thinned()
        self._posed = mujoco.MjData(model)
        self._state = np.empty(mujoco.mj_stateSize(model, STATE))
        self._forward = _needs_forces(model)
        self._renderers: dict[int, Renderer] = {}
        self.shapes: tuple[Shape, ...] = ()
        """What is drawn beside the model."""

    def render(self, camera: str, resolution: int) -> NDArray[np.uint8]:
        """The frame (R, R, 3) uint8 of the present state."""
        self._pose()
        self._copy_what_changed()
        if resolution not in self._renderers:
            room = ROOM + 2 * self._model.ngeom + 100 * self._model.ntendon
            self._renderers[resolution] = Renderer(
                self._model, resolution, room, self._markers, self._twin, tuple(self._hidden.tolist())
            )
        frame = self._renderers[resolution].render(self._posed, self.cameras[camera], self.shapes)
        return np.ascontiguousarray(frame[::-1, ::-1]) if camera in self._flipped else frame

    def close(self) -> None:
        """Frees the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _pose(self) -> None:
        """Puts everything that is drawn where the present state has it."""
        model, posed = self._model, self._posed
        mujoco.mj_getState(model, self._data, self._state, STATE)
        mujoco.mj_setState(model, posed, self._state, STATE)
        if self._forward:
            mujoco.mj_forward(model, posed)
            return
        _place(model, posed)

    def _copy_what_changed(self) -> None:
        """Sees to it that the GL contexts hold the model's textures, meshes and height fields as they are now."""
        change = None if self._copies is None else self._copies.change()
        if not change:
            return
        if change.everything:
            self._twin = self._thinned()
        else:
            self._twin.tex_data[...] = self._model.tex_data
            self._twin.hfield_data[...] = self._model.hfield_data
        for renderer in self._renderers.values():
            renderer.copy(self._twin, change)

    def _thinned(self) -> mujoco.MjModel:
        """A copy of the model from which GL contexts are made."""
        twin = copy.copy(self._model)
        if self._cell > 0:
            decimate(twin, self._cell)
        twin.vis.quality.offsamples = 0
        twin.vis.quality.shadowsize = 0
        return twin


def _visible_sites(model: mujoco.MjModel) -> str:
    """Names of the sites that MuJoCo draws when it is asked for nothing special; empty for none."""
    shown = mujoco.MjvOption().sitegroup[np.clip(model.site_group, 0, mujoco.mjNGROUP - 1)] > 0
    seen = np.flatnonzero(shown & (model.site_rgba[:, 3] > 0))
    names = [model.site(i).name or f"number {i}" for i in seen[:5]]
    return ", ".join(names) + (", ..." if len(seen) > 5 else "")


def _place_part_by_part(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """What `mj_fwdKinematics` does in a MuJoCo that has it."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    if model.nflex:
        mujoco.mj_flex(model, data)
    if model.ntendon:
        mujoco.mj_tendon(model, data)


_place = getattr(mujoco, "mj_fwdKinematics", _place_part_by_part)


def _needs_forces(model: mujoco.MjModel) -> bool:
    """Whether something is drawn that places do not tell: beams of range finders, what plugins colour."""
    return bool(model.nplugin or (model.sensor_type == mujoco.mjtSensor.mjSENS_RANGEFINDER).any())


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
