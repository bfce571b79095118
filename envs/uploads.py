"""What a GL context holds of a model: copies of textures, meshes, height fields and settings, made with the context.

All else is read from the model whenever a frame is drawn. What was copied has to be copied again where the model has
changed since, or frames go on showing what it was.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forearm.envs.backend import mujoco

COPIED = (
    *("tex_data", "tex_colorspace", "hfield_data", "hfield_size"),
    *("mesh_vert", "mesh_normal", "mesh_texcoord", "mesh_face", "mesh_facenormal", "mesh_facetexcoord"),
    *("mesh_graph", "mesh_facenum"),
    *("skin_face", "skin_texcoord"),
    *("mat_texid", "mat_texrepeat", "mat_texuniform"),
)
"""Arrays of a model that a GL context copies, where this MuJoCo has them. A test changes all others too, and sees
that frames follow.
"""
ALONE = ("tex_data", "hfield_data")
"""... and those of which a single texture or height field can be copied again."""


@dataclass(frozen=True)
class Change:
    """What differs from the copies: everything, or single textures and height fields."""

    everything: bool = False
    textures: tuple[int, ...] = field(default=())
    heights: tuple[int, ...] = field(default=())

    def __bool__(self) -> bool:
        """Whether anything has changed."""
        return self.everything or bool(self.textures or self.heights)


class Copies:
    """Remembers what was copied from a model, and says what differs now.

    A look costs about 0.1 ms per MB of textures and meshes.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        # Views on the model's own memory, which is its own for good, and what they showed when it was copied.
        now = {name: getattr(model, name) for name in COPIED if hasattr(model, name)}
        self._large = {name: _Watched(array) for name, array in now.items() if array.size}
        self._settings = _Settings(model)

    def change(self) -> Change:
        """What differs from what was remembered, and is remembered from now on."""
        whole = self._settings.changed()
        differing = {name: watched for name, watched in self._large.items() if not watched.same()}
        parts: dict[str, tuple[int, ...]] = {}
        for name, watched in differing.items():
            parts[name] = watched.parts(self._settings.starts[name]) if name in ALONE else ()
            watched.remember()
        if whole or any(name not in ALONE for name in differing):
            return Change(everything=True)
        return Change(False, parts.get("tex_data", ()), parts.get("hfield_data", ()))


class _Watched:
    """One array of a model, and what it was."""

    def __init__(self, array: NDArray[np.generic]) -> None:
        self._now = array.reshape(-1)
        self._kept = self._now.copy()
        # Compared eight bytes at a time, as most of the time goes into large textures; few are not a multiple of that.
        width = np.uint64 if self._now.nbytes % 8 == 0 else np.uint8
        self._pair = self._now.view(np.uint8).view(width), self._kept.view(np.uint8).view(width)

    def same(self) -> bool:
        now, kept = self._pair
        return bool((now == kept).all())

    def remember(self) -> None:
        self._kept[...] = self._now

    def parts(self, starts: NDArray[np.integer]) -> tuple[int, ...]:
        """Which of the parts that begin at `starts`, in ascending order, differ."""
        ends = [*starts[1:].tolist(), self._now.size]
        pairs = enumerate(zip(starts.tolist(), ends, strict=True))
        return tuple(i for i, (start, end) in pairs if not np.array_equal(self._now[start:end], self._kept[start:end]))


class _Settings:
    """Planes, which are drawn in pieces laid out for their size and texture, and settings of fog, haze and shapes."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.starts = {"tex_data": model.tex_adr, "hfield_data": model.hfield_adr}
        visual = model.vis
        self._parts = [(part, _names(part)) for part in (visual.map, visual.quality)]
        self._lines, self._statistic = visual.global_, model.stat
        self._arrays = [visual.rgba.fog, visual.rgba.haze, model.geom_type, model.geom_size, model.geom_matid]
        self._kept = self._now()

    def changed(self) -> bool:
        """Whether anything differs from when this was last asked."""
        before, self._kept = self._kept, self._now()
        return before != self._kept

    def _now(self) -> tuple[object, ...]:
        numbers = [getattr(part, name) for part, names in self._parts for name in names]
        fog, haze, types, sizes, materials = self._arrays
        planes = types == mujoco.mjtGeom.mjGEOM_PLANE
        colours = fog.tobytes() + haze.tobytes()
        laid = sizes[planes].tobytes() + materials[planes].tobytes()
        return (*numbers, self._lines.linewidth, self._statistic.extent, colours, laid)


def _names(part: object) -> list[str]:
    """The settings of one part of `MjModel.vis`, also those that a later MuJoCo adds."""
    return [name for name in dir(part) if not name.startswith("_")]
