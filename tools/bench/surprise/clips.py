"""Films of held-out motion with something happening in them, and of the same motion without; kept as latents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forearm.common.seeds import collection_reset_seed, collection_rng
from tools.bench.surprise.events import Event, Make, Scene, events_of

BEGIN, AFTER, REST = 12, 15, 3
"""Control steps in which something may begin; for which it is awaited; and which are left then."""
SPEED = 0.04
"""m/s that the object, or the hand where there is none, must move when it begins."""
HELD = 0.05
"""m above where it lay that an object is held in the air."""
TRIES = 12
"""Clips that are looked at for each that is kept, at most."""
NORMAL = "normal"


@dataclass(frozen=True, eq=False)
class Part:
    """Latents (L, D), readings (L, P), the pixels' mean change from frame to frame (L,), and commands (L, A) before."""

    latents: np.ndarray
    readings: np.ndarray
    changes: np.ndarray
    actions: np.ndarray

    def then(self, other: "Part", begin: int) -> "Part":
        """The first `begin` frames of this, and another after them."""
        return Part(*(np.concatenate([mine[:begin], theirs]) for mine, theirs in self._pairs(other)))

    def _pairs(self, other: "Part") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((getattr(self, name), getattr(other, name)) for name in vars(self))


@dataclass(frozen=True, eq=False)
class Normal:
    """begin: the step that something may happen in. actions: all commands, observations `seen` of them and before the
    first, and start: the state before that step.
    """

    begin: int
    actions: list[np.ndarray]
    seen: list[dict[str, Any]]
    start: np.ndarray

    @property
    def sent(self) -> list[np.ndarray]:
        """The commands from that step on, for as long as it is awaited."""
        return self.actions[self.begin - 1 : self.begin - 1 + AFTER]


class Filming:
    """Films clips of a task.

    Args:
        env: of the task.
        encode: latents (N, D) of frames (N, R, R, 3).
        known: frames before all that is expected of a frame can be.
        seed: of the clips.
        lifted: whether the object must be held in the air when something begins.
    """

    def __init__(
        self, env: Any, encode: Callable[[np.ndarray], Any], known: int, seed: int, lifted: bool = False
    ) -> None:
        self.env, self.encode, self.seed, self.lifted = env, encode, seed, lifted
        self.first, self.last = known, known + BEGIN * max(1, round(0.1 / env.control_period))
        self.steps = self.last + AFTER + REST
        self.scene = Scene(env)
        self.events: dict[str, Make] = events_of(self.scene, lifted)

    def clips(self, wanted: int, kept: Path | None = None) -> Iterator[tuple[int, dict[str, Part]]]:
        """Where it begins, and the parts by event, of so many clips; `NORMAL` is whole, others begin there.

        Those that a folder holds are not filmed again.
        """
        found = 0
        for number in count():
            if found >= wanted or number >= TRIES * wanted:
                return
            path = None if kept is None else kept / f"{self.env.name.replace('/', '-')}-{self.seed}-{number}.npz"
            clip = _read(path) if path is not None and path.is_file() else self._film(number)
            if path is not None and not path.is_file():
                _write(path, clip)
            if clip is not None:
                found += 1
                yield clip

    def _begin(self, number: int) -> tuple[int, list[np.ndarray]] | None:
        """When it begins, and all commands; None where nothing moves, or is held, at the time."""
        env, name = self.env, "object_position" if self.scene.has_object else "ee_position"
        env.reset(seed=collection_reset_seed(self.seed, number), options={"goal": False})
        policy, at = env.explorer(collection_rng(self.seed, number)), env.positions()[name]
        lay, begin, actions = at[2], None, []
        for step in range(1, self.steps + 1):
            if step > self.last and begin is None:
                return None
            actions.append(np.asarray(policy.act(), np.float64))
            env.advance(actions[-1])
            here = env.positions()[name]
            speed, at = float(np.linalg.norm(here - at)) / env.control_period, here
            if begin is None and step >= self.first and speed > SPEED and (not self.lifted or here[2] > lay + HELD):
                begin = step
        return None if begin is None else (begin, actions)

    def normal(self, number: int) -> "Normal | None":
        """A clip in which nothing happens; None where nothing moves, or is held, when it should begin."""
        found, env = self._begin(number), self.env
        if found is None:
            return None
        begin, actions = found
        seen = [env.reset(seed=collection_reset_seed(self.seed, number), options={"goal": False})[0]]
        for step, action in enumerate(actions, 1):
            if step == begin:
                start = env.snapshot()
            env.advance(action)
            seen.append(env.observe())
        return Normal(begin, actions, seen, start)

    def _film(self, number: int) -> tuple[int, dict[str, Part]] | None:
        normal = self.normal(number)
        if normal is None:
            return None
        seen, actions, begin = normal.seen, normal.actions, normal.begin
        none = np.zeros_like(actions[0])
        parts = {NORMAL: self._part(seen, [none, *actions], seen[0]["pixels"])}
        for name, make in self.events.items():
            event = make(self.scene, np.random.default_rng([self.seed, number, 1]))
            after = seen[begin : begin + AFTER] if event.of_frames else self.again(normal, event)
            shown = [{**each, "pixels": event.frame(each["pixels"], since)} for since, each in enumerate(after)]
            parts[name] = self._part(shown, normal.sent, seen[begin - 1]["pixels"])
        return begin, parts

    def again(self, normal: "Normal", event: Event) -> list[dict[str, Any]]:
        """What is seen of the same commands from the same state, and of what happens."""
        env, edit = self.env, self.env.scene_edit()
        camera, damping = env.model.cam_quat.copy(), env.model.dof_damping.copy()
        env.restore(normal.start)
        seen = []
        for since, action in enumerate(normal.sent):
            done = event.command(action, since)
            event.before(env, since)
            env.advance(done)
            seen.append(env.observe())
        edit.undo()
        env.model.cam_quat[:], env.model.dof_damping[:] = camera, damping
        return seen

    def _part(self, seen: list[dict[str, Any]], actions: list[np.ndarray], before: np.ndarray) -> Part:
        frames = np.stack([each["pixels"] for each in seen])
        with torch.inference_mode():
            latents = self.encode(frames).cpu().numpy()
        changes = np.abs(np.diff(np.concatenate([before[None], frames]).astype(np.float32), axis=0)).mean(
            axis=(1, 2, 3)
        )
        return Part(latents, np.stack([each["proprio"] for each in seen]), changes, np.stack(actions))


def _write(path: Path, clip: tuple[int, dict[str, Part]] | None) -> None:
    begin, parts = (0, {}) if clip is None else clip
    arrays = {f"{name}|{key}": value for name, part in parts.items() for key, value in vars(part).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, begin=begin, **arrays)
    partial.replace(path)


def _read(path: Path) -> tuple[int, dict[str, Part]] | None:
    with np.load(path) as found:
        begin, parts = int(found["begin"]), dict[str, dict[str, np.ndarray]]()
        for key in found.files:
            name, _, field = key.partition("|")
            if field:
                parts.setdefault(name, {})[field] = found[key]
    return (begin, {name: Part(**each) for name, each in parts.items()}) if begin else None
