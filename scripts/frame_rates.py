"""Frames per second of state observation, before and after: `python scripts/frame_rates.py [task ...]`.

Before: the benchmark's own model and quality through `mujoco.Renderer`. Between: quality flags off. After: the twin.
Rates are per second of processor time on one core, so that what else runs on the machine counts little. Both frames
are put side by side into docs/frames.png.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from forearm import envs
from forearm.envs.twin import Twin

TASKS = ("ogbench/cube-single", "ogbench/scene", "metaworld/push-v3", "fetch/push")
SIDE, SHOWN = 64, 192


def rate(draw: Callable[[], Any], frames: int) -> float:
    draw()
    started = time.process_time()
    for _ in range(frames):
        draw()
    return frames / (time.process_time() - started)


def own_renderer(env: Any) -> tuple[Callable[[], np.ndarray], Any]:
    """The same camera as MuJoCo's own renderer draws it, shadows and all."""
    twin = env._twin
    env.model.vis.global_.offwidth = max(env.model.vis.global_.offwidth, SIDE)
    env.model.vis.global_.offheight = max(env.model.vis.global_.offheight, SIDE)
    renderer, view, camera = mujoco.Renderer(env.model, SIDE, SIDE), twin._cameras[env.camera], mujoco.MjvCamera()
    if isinstance(view, str):
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, env.model.camera(view).id
    else:
        camera.lookat[:] = view.lookat
        camera.distance, camera.azimuth, camera.elevation = view.distance, view.azimuth, view.elevation

    def draw() -> np.ndarray:
        renderer.update_scene(env.data, camera)
        frame = renderer.render()
        return frame[::-1, ::-1] if env.camera in twin._flipped else frame

    return draw, renderer


def main(tasks: list[str]) -> None:
    page = Image.new("RGB", (2 * SHOWN, len(tasks) * SHOWN))
    print(f"{'task':24s} before  flags  twin   triangles")
    for row, name in enumerate(tasks):
        env: Any = envs.make(name)
        env.reset(seed=1)
        before, renderer = own_renderer(env)
        whole = Twin(env.model, env.data, env._twin._cameras, cell=0.0, flipped=env._twin._flipped)
        rates = [rate(before, 10), rate(lambda w=whole, e=env: w.render(e.camera, SIDE), 20), rate(env.render, 100)]
        triangles = [int(model.mesh_facenum.sum()) for model in (env.model, env._twin._twin)]
        numbers = " ".join(f"{value:6.0f}" for value in rates)
        print(f"{name:24s} {numbers}   {triangles[0]} -> {triangles[1]}", flush=True)
        for column, frame in enumerate((before(), env.render())):
            shown = Image.fromarray(np.ascontiguousarray(frame)).resize((SHOWN, SHOWN), Image.Resampling.NEAREST)
            page.paste(shown, (column * SHOWN, row * SHOWN))
        whole.close(), renderer.close(), env.close()
    page.save(Path(__file__).parents[1] / "docs" / "frames.png")


if __name__ == "__main__":
    main(sys.argv[1:] or list(TASKS))
