"""Off-screen rendering that finds a GL back end which really draws, and draws fast.

Rendering, not physics, is what data collection waits for. Multisampling, shadows and reflections cost 3 to 12
times on a software renderer and teach a 64-pixel encoder nothing, so they are off.
"""

import atexit
import functools
import importlib
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forearm.envs import forks
from forearm.envs.backend import mujoco
from forearm.envs.forks import RenderingUnavailable
from forearm.envs.uploads import Change

BACKENDS = ("egl", "osmesa", "glfw")

REMEDY = (
    "no GL back end can draw a frame: install one with `apt-get install libosmesa6` "
    "(or `libegl1 libgl1-mesa-dri libopengl0` for EGL), then try again"
)

# Draws one frame in a process of its own: a back end that fails may abort, and each claims PyOpenGL for good.
_PROBE = """
import importlib, sys, mujoco
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(16, 16)
context.make_current()
model = mujoco.MjModel.from_xml_string(
    '<mujoco><visual><headlight ambient="1 1 1"/></visual><worldbody><geom type="box" size="9 9 .1"/>'
    '<camera name="c" pos="0 0 2"/></worldbody></mujoco>')
data = mujoco.MjData(model); mujoco.mj_forward(model, data)
scene = mujoco.MjvScene(model, 10); camera = mujoco.MjvCamera()
camera.type = mujoco.mjtCamera.mjCAMERA_FIXED; camera.fixedcamid = 0
gl = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, gl)
mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
import numpy as np
pixels = np.zeros((16, 16, 3), np.uint8)
mujoco.mjr_render(mujoco.MjrRect(0, 0, 16, 16), scene, gl)
mujoco.mjr_readPixels(pixels, None, mujoco.MjrRect(0, 0, 16, 16), gl)
sys.exit(0 if pixels.any() else 3)
"""


def probe(backend: str) -> bool:
    """Whether `backend` draws a frame that is not black, tried in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    environment["MUJOCO_GL"] = backend
    try:
        run = subprocess.run(
            [sys.executable, "-c", _PROBE, backend],
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0


def working_backend() -> str:
    """Name of a back end that draws: `MUJOCO_GL` if set, else the first of egl, osmesa, glfw that works.

    The answer is left in `MUJOCO_GL`, so child processes do not search again.

    Raises:
        RenderingUnavailable: none draws, or the one that `MUJOCO_GL` names does not exist.
    """
    chosen = os.environ.get("MUJOCO_GL", "").lower().strip()
    if chosen:
        if chosen not in BACKENDS:
            raise RenderingUnavailable(f"MUJOCO_GL={chosen} is no back end here: unset it or use one of {BACKENDS}")
        return chosen
    os.environ["MUJOCO_GL"] = found = _first_that_draws()
    return found


@functools.lru_cache(maxsize=1)
def _first_that_draws() -> str:
    for backend in BACKENDS:
        if probe(backend):
            return backend
    raise RenderingUnavailable(REMEDY)


@dataclass(frozen=True)
class View:
    """A fixed camera that the model itself does not have: what it looks at (m), from how far (m), and its angles."""

    lookat: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float


@dataclass(frozen=True)
class Shape:
    """A thing that is drawn beside what the model has, and touches nothing.

    Attributes:
        kind: `box`, `sphere` or `cylinder`, upright.
        place: (3,) of its middle, in m.
        size: half of its width and height, in m.
        colour: red, green and blue in [0, 1].
    """

    kind: str
    place: tuple[float, ...]
    size: float
    colour: tuple[float, ...]


class Renderer:
    """Draws square frames of one model with one GL context; use it from the thread that made it.

    Args:
        model: the model; its `vis.quality` must already be low.
        resolution: side of the frame in pixels.
        room: most shapes that a scene can hold.
        markers: whether sites are drawn, by which some models mark the goal.
        copied: a model that looks like `model`, from which the GL context is made; by default `model` itself. Its
            off-screen size is set.
        hidden: numbers of geoms that are not drawn.

    Raises:
        RenderingUnavailable: no GL back end can draw.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        resolution: int,
        room: int = 200,
        markers: bool = True,
        copied: mujoco.MjModel | None = None,
        hidden: tuple[int, ...] = (),
    ) -> None:
        backend = working_backend()
        forks.check()
        self._model, self._resolution, self._hidden = model, resolution, list(hidden)
        try:
            forks.drawn()
            self._gl = importlib.import_module(f"mujoco.{backend}").GLContext(resolution, resolution)
            self._gl.make_current()
            self._contexts = [self._context_of(copied or model)]
        except Exception as error:  # the GL wrappers raise anything from ImportError to AttributeError
            raise RenderingUnavailable(f"{REMEDY} (back end {backend} said: {error})") from error
        self._scene = mujoco.MjvScene(model, maxgeom=room)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._option = mujoco.MjvOption()
        if not markers:
            self._option.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._viewport = mujoco.MjrRect(0, 0, resolution, resolution)
        self._pixels = np.empty((resolution, resolution, 3), np.uint8)
        self._free = weakref.finalize(self, _free, self._contexts, self._gl)
        self._free.atexit = False
        _close_at_exit()
        _alive.add(self)

    def render(self, data: mujoco.MjData, camera: str | View, shapes: Sequence[Shape] = ()) -> NDArray[np.uint8]:
        """The frame that `camera` (of the model by name, or a view) sees, (R, R, 3) uint8, first row at the top;
        `shapes` are drawn beside the model.

        Raises `RenderingUnavailable` in a process that was forked after the first frame, where drawing would hang.
        """
        forks.check()
        self._gl.make_current()
        self._aim(camera)
        with _unseen(self._model, self._hidden):
            mujoco.mjv_updateScene(
                self._model, data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
            )
        for shape in shapes:
            self._add(shape)
        (context,) = self._contexts
        mujoco.mjr_render(self._viewport, self._scene, context)
        mujoco.mjr_readPixels(self._pixels, None, self._viewport, context)
        return self._pixels[::-1].copy()

    def copy(self, model: mujoco.MjModel, change: Change) -> None:
        """Copies into the GL context what has changed in `model`, which is like the one that it was made from."""
        forks.check()
        self._gl.make_current()
        if change.everything:
            self._contexts.pop().free()
            self._contexts.append(self._context_of(model))
            return
        (context,) = self._contexts
        for texture in change.textures:
            mujoco.mjr_uploadTexture(model, context, texture)
        for heights in change.heights:
            mujoco.mjr_uploadHField(model, context, heights)

    def _context_of(self, model: mujoco.MjModel) -> mujoco.MjrContext:
        """A context of `model` that draws off screen, in the current GL context."""
        model.vis.global_.offwidth = model.vis.global_.offheight = self._resolution
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        return context

    def _add(self, shape: Shape) -> None:
        kind = getattr(mujoco.mjtGeom, f"mjGEOM_{shape.kind.upper()}")
        geom = self._scene.geoms[self._scene.ngeom]
        size, place, upright = np.full(3, shape.size), np.array(shape.place), np.eye(3).ravel()
        mujoco.mjv_initGeom(geom, kind, size, place, upright, np.array([*shape.colour, 1.0], np.float32))
        self._scene.ngeom += 1

    def _aim(self, camera: str | View) -> None:
        if isinstance(camera, str):
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._camera.fixedcamid = self._model.camera(camera).id
            return
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        self._camera.lookat[:] = camera.lookat
        self._camera.distance, self._camera.azimuth = camera.distance, camera.azimuth
        self._camera.elevation = camera.elevation

    def close(self) -> None:
        """Frees the GL context; safe to call twice."""
        self._free()


@contextmanager
def _unseen(model: mujoco.MjModel, geoms: list[int]) -> Iterator[None]:
    """Makes geoms wholly transparent for as long as it takes to look at them."""
    alpha = model.geom_rgba[geoms, 3]
    model.geom_rgba[geoms, 3] = 0.0
    try:
        yield
    finally:
        model.geom_rgba[geoms, 3] = alpha


_alive: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


def _close_at_exit() -> None:
    """Called after every back end that was loaded so far, so that this runs before any of them closes its display."""
    atexit.unregister(_close_all)
    atexit.register(_close_all)


def _close_all() -> None:
    for renderer in list(_alive):
        renderer.close()


def _free(contexts: list[mujoco.MjrContext], gl: Any) -> None:
    if forks.inherited():
        return
    gl.make_current()  # an MjrContext frees the buffers of whatever context is current
    for context in contexts:
        context.free()
    gl.free()
