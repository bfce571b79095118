"""Is it noticed that the world does not do what it should: beside pixel difference, one-step error and joints alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import mujoco
import numpy as np
import torch

from forearm import envs
from forearm.common.seeds import collection_reset_seed, collection_rng
from forearm.envs.variation.factors import Variation
from forearm.envs.variation.frames import Arrival, altered
from forearm.surprise.monitor import Monitor
from forearm.surprise.prediction import Predictions
from tools.bench.budget import Budget
from tools.bench.timing import threads

SEED = 301
"""Of the clips; neither models nor calibrations saw them."""
STEPS, FIRST, LAST, AFTER = 42, 12, 24, 15
"""Control steps of a clip; where what happens begins at the earliest and at the latest; and how long it is awaited."""
MOVING = 0.004
"""m that the object must move in the step before."""
SCORES = ("monitor", "pixels", "one_step", "joints")
ARM, OBJECT, OBJECT_SPEED = slice(0, 9), slice(9, 16), slice(9, 15)


@dataclass
class Event:
    """What happens from a step on: to the command that is carried out, to the scene, to the frame.

    Each is called at every step from then on, the scene before and after the step, with the number of steps since.
    """

    command: Callable[[np.ndarray, int], np.ndarray] = lambda action, since: action
    before: Callable[[Any, int], None] = lambda env, since: None
    after: Callable[[Any, int], None] = lambda env, since: None
    frame: Callable[[np.ndarray, int], np.ndarray] = lambda frame, since: frame


def _teleport(env: Any, since: int) -> None:
    if since == 0:
        here = env.data.qpos[9:11]
        here += 0.08 * np.sign(np.array([0.5, 0.0]) - here)


def _vanish(env: Any, since: int) -> None:
    env.data.qpos[9:12] = (5.0, 5.0, 0.05)
    env.data.qvel[OBJECT_SPEED] = 0.0


def _push(env: Any, since: int) -> None:
    if since < 4:
        here = env.data.qpos[9:11]
        env.data.qvel[9:11] = 0.3 * np.sign(np.array([0.5, 0.0]) - here)


def _hold(what: slice, speeds: slice) -> Event:
    kept: list[np.ndarray] = []

    def before(env: Any, since: int) -> None:
        if since == 0:
            kept.append(env.data.qpos[what].copy())

    def after(env: Any, since: int) -> None:
        env.data.qpos[what], env.data.qvel[speeds] = kept[0], 0.0

    return Event(before=before, after=after)


def _edit(variation: Variation, rng: np.random.Generator, turn: float = 0.0) -> Event:
    def before(env: Any, since: int) -> None:
        if since == 0:
            env.scene_edit().apply(variation, rng)
            camera = env.model.camera(env.camera)
            turned, by = np.empty(4), np.empty(4)
            mujoco.mju_axisAngle2Quat(by, np.array([0.0, 0.0, 1.0]), np.deg2rad(turn))
            mujoco.mju_mulQuat(turned, camera.quat.copy(), by)
            camera.quat[:] = turned

    return Event(before=before)


def _delayed(steps: int) -> Event:
    sent: list[np.ndarray] = []

    def command(action: np.ndarray, since: int) -> np.ndarray:
        sent.append(action)
        return sent[max(0, len(sent) - 1 - steps)]

    return Event(command=command)


def _stale(again: Callable[[int], bool]) -> Event:
    shown: list[np.ndarray] = []

    def frame(pixels: np.ndarray, since: int) -> np.ndarray:
        if not (shown and again(since)):
            shown[:] = [pixels]
        return shown[0]

    return Event(frame=frame)


def _dropped(rng: np.random.Generator) -> Event:
    arrival = Arrival(Variation("dropped", 0.3))
    return Event(frame=lambda pixels, since: arrival.arrived(pixels, rng))


def _altered(factor: str, strength: float, rng: np.random.Generator) -> Event:
    return Event(frame=lambda pixels, since: altered(pixels, Variation(factor, strength), rng))


EVENTS: dict[str, Callable[[np.random.Generator], Event]] = {
    "normal": lambda rng: Event(),
    "object teleported": lambda rng: Event(before=_teleport),
    "object vanished": lambda rng: Event(before=_vanish),
    "object pushed by nobody": lambda rng: Event(before=_push),
    "object frozen": lambda rng: _hold(OBJECT, OBJECT_SPEED),
    "arm blocked": lambda rng: _hold(ARM, ARM),
    "friction x 0.2": lambda rng: _edit(Variation("friction", 0.2), rng),
    "mass x 5": lambda rng: _edit(Variation("mass", 5.0), rng),
    "actuator at half": lambda rng: Event(command=lambda action, since: 0.5 * action),
    "actuator two steps late": lambda rng: _delayed(2),
    "camera bumped by 2 cm, 5 degrees": lambda rng: _edit(Variation("camera", 0.02), rng, turn=5.0),
    "frames frozen": lambda rng: _stale(lambda since: True),
    "frames repeated": lambda rng: _stale(lambda since: since % 2 == 1),
    "frames dropped, 30 %": _dropped,
    "light x 0.8 (nuisance)": partial(_altered, "light", 0.8),
    "light x 1.2 (nuisance)": partial(_altered, "light", 1.2),
    "noise of 4 levels (nuisance)": partial(_altered, "noise", 4.0),
}
SLIP = "gripper slips"
"""Of a task with a gripper, where friction all but goes as the object is held in the air."""


def surprise(budget: Budget, tasks: Sequence[str] = ("push",), clips: int | None = None) -> dict[str, Any]:
    """How well each event is told from the same clips without it."""
    count = clips or budget.surprise_clips
    with threads(1):
        rows = [row for task in tasks for row in _of_task(task, count)]
    return {"clips": count, "tasks": list(tasks), "after": AFTER, "rows": rows}


def _of_task(task: str, clips: int) -> list[dict[str, Any]]:
    monitor = Monitor.load(task)
    env = envs.make(task, None, monitor.loaded.resolution)
    watch = _Watch(monitor, env)
    events = dict(EVENTS)
    if task == "pick_place":
        events[SLIP] = lambda rng: _edit(Variation("friction", 0.01), rng)
    begins = ((clip, _begin(env, clip, task == "pick_place")) for clip in range(8 * clips))
    chosen = list(islice(((clip, step) for clip, step in begins if step is not None), clips))
    found = {
        name: [watch.clip(clip, step, event(collection_rng(SEED + 1, clip))) for clip, step in chosen]
        for name, event in events.items()
    }
    env.close()
    normal = found.pop("normal")
    hours = len(normal) * STEPS * env.control_period / 3600
    rows = [
        {
            "task": task, "event": "normal motion", "clips": len(normal), "hours": hours,
            "false_alarms": sum(each["alarms"] for each in normal),
        }
    ]  # fmt: skip
    for name, scores in found.items():
        delays = [each["delay"] for each in scores if each["delay"] is not None]
        rows.append(
            {
                "task": task, "event": name, "clips": len(scores), "noticed": len(delays),
                "delay": float(np.median(delays)) if delays else None,
                "auroc": {key: auroc([s[key] for s in scores], [s[key] for s in normal]) for key in SCORES},
            }
        )  # fmt: skip
    return rows


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a value of `positive` is greater than one of `negative`; ties count half."""
    one, other = np.asarray(positive)[:, None], np.asarray(negative)[None]
    return float(((one > other) + 0.5 * (one == other)).mean())


def _begin(env: Any, clip: int, lifted: bool) -> int | None:
    """The step from which on something happens in a clip: the object is moving, or held in the air; None if never."""
    env.reset(seed=collection_reset_seed(SEED, clip), options={"goal": False})
    policy, before = env.explorer(collection_rng(SEED, clip)), env.object_position()
    for step in range(1, LAST + 1):
        env.advance(policy.act())
        here = env.object_position()
        moved, before = float(np.linalg.norm(here - before)), here
        if step >= FIRST and moved > MOVING and (not lifted or here[2] > 0.05):
            return step
    return None


class _Watch:
    """Films clips and scores them."""

    def __init__(self, monitor: Monitor, env: Any) -> None:
        self.monitor, self.env = monitor, env
        self.predictions = Predictions(monitor.loaded.model, 1)

    def clip(self, clip: int, begin: int, event: Event) -> dict[str, Any]:
        """The greatest of each score in the steps after `begin`, the delay of the alarm, alarms of the whole clip."""
        env, edit = self.env, self.env.scene_edit()
        camera = env.model.camera(env.camera).quat.copy()
        seen, _ = env.reset(seed=collection_reset_seed(SEED, clip), options={"goal": False})
        policy = env.explorer(collection_rng(SEED, clip))
        self.monitor.begin()
        self.predictions.begin()
        rows, said, shown = [self._scores(seen, None, None)], [], seen["pixels"]
        for step in range(1, STEPS + 1):
            action, since = np.asarray(policy.act(), np.float64), step - begin
            done = action if since < 0 else event.command(action, since)
            if since >= 0:
                event.before(env, since)
            env.advance(done)
            if since >= 0:
                event.after(env, since)
                mujoco.mj_forward(env.model, env.data)
            seen = env.observe()
            pixels = seen["pixels"] if since < 0 else event.frame(seen["pixels"], since)
            rows.append(self._scores({**seen, "pixels": pixels}, action, shown))
            shown = pixels
            said.append(self.said.alarm)
        edit.undo()
        env.model.camera(env.camera).quat[:] = camera
        window = np.array(rows)[begin : begin + AFTER]
        alarms = [step for step, (last, now) in enumerate(zip([False, *said], said, strict=False), 1) if now > last]
        late = [step - begin for step in range(begin, begin + AFTER) if said[step - 1]]
        return {
            **dict(zip(SCORES, window.max(axis=0).tolist(), strict=True)),
            "delay": late[0] if late else None,
            "alarms": len(alarms),
        }

    def _scores(self, seen: dict[str, Any], action: Any, before: Any) -> tuple[float, ...]:
        model = self.monitor.loaded.model
        with torch.inference_mode():
            latent = model.encode(seen["pixels"][None])[0]
        self.said = self.monitor.see(seen, action, latent=latent)
        readings = seen["proprio"] if model.config.proprio_dim else None
        error = np.square(self.predictions.see(latent, readings, action)[0]).mean()
        changed = 0.0 if before is None else np.abs(seen["pixels"].astype(float) - before).mean()
        return self.said.level, float(changed), float(np.nan_to_num(error)), self.monitor.joints_level
