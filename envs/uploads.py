"""What a GL context holds of a model: copies of textures, meshes, height fields and settings, made with the context.

All else is read from the model whenever a frame is drawn. What was copied has to be copied again where the model has
changed since, or frames go on showing what it was.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from envs.backend import mujoco

COPIED = (
    *("tex_data", "hfield_data", "hfield_size"),
    *("mesh_vert", "mesh_normal", "mesh_texcoord", "mesh_face", "mesh_facenormal", "mesh_facetexcoord"),
    *("mesh_graph", "mesh_facenum"),
    *("skin_face", "skin_texcoord"),
    *("mat_texid", "mat_texrepeat", "mat_texuniform"),
)
"""Arrays of a model that a GL context copies. `tests/envs/test_frames.py` sees that no other one is copied."""
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
        self._arrays = {name: getattr(model, name).copy() for name in COPIED if getattr(model, name).size}
        self._planes = _planes(model)
        self._settings = _settings(model)

    def change(self, model: mujoco.MjModel) -> Change:
        """What differs in `model` from what was remembered, and is remembered from now on."""
        differing = [name for name, kept in self._arrays.items() if not _same(getattr(model, name), kept)]
        planes, settings = _planes(model), _settings(model)
        whole = planes != self._planes or settings != self._settings or any(name not in ALONE for name in differing)
        textures = _of(model.tex_adr, model.tex_data, self._arrays["tex_data"]) if "tex_data" in differing else ()
        heights = (
            _of(model.hfield_adr, model.hfield_data, self._arrays["hfield_data"]) if "hfield_data" in differing else ()
        )
        for name in differing:
            self._arrays[name][...] = getattr(model, name)
        self._planes, self._settings = planes, settings
        return Change(True) if whole else Change(False, textures, heights)


def _same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether two arrays hold the same bytes: eight at a time, as most of the time goes into large textures."""
    a, b = (array.reshape(-1).view(np.uint8) for array in (one, other))
    words = a.size // 8 * 8
    return np.array_equal(a[:words].view(np.uint64), b[:words].view(np.uint64)) and np.array_equal(a[words:], b[words:])


def _of(starts: NDArray[np.integer], now: NDArray[np.generic], kept: NDArray[np.generic]) -> tuple[int, ...]:
    """Which of the parts that begin at `starts`, in ascending order, differ."""
    ends = [*starts[1:].tolist(), now.size]
    pairs = enumerate(zip(starts.tolist(), ends, strict=True))
    return tuple(i for i, (start, end) in pairs if not np.array_equal(now[start:end], kept[start:end]))


def _planes(model: mujoco.MjModel) -> bytes:
    """Planes are drawn in pieces that were laid out for their size and texture."""
    here = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
    return model.geom_size[here].tobytes() + model.geom_matid[here].tobytes()


def _settings(model: mujoco.MjModel) -> tuple[object, ...]:
    """Settings of fog, haze, shadows, lines and shapes, which a context copies as well."""
    visual = model.vis
    numbers = [getattr(part, name) for part in (visual.map, visual.quality) for name in _names(part)]
    colours = [part.tobytes() for part in (visual.rgba.fog, visual.rgba.haze)]
    return (*numbers, *colours, visual.global_.linewidth, model.stat.extent)


def _names(part: object) -> list[str]:
    """The settings of one part of `MjModel.vis`, also those that a later MuJoCo adds."""
    return [name for name in dir(part) if not name.startswith("_")]
