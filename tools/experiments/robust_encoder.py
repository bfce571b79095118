"""An encoder that sees the same latents in another light, on another table, and with things lying about.

    python -m tools.experiments.robust_encoder task=push checkpoint=push out=outputs/push-robust

Films the task's explorer, every state as it is and in scenes whose colours, things and camera are drawn anew, and
teaches a copy of the checkpoint's encoder to make of each varied frame the latent that the checkpoint itself makes of
the plain one. What stands on the latents (predictor, slow directions, heads) stays as it is, and so does what it says.

A world model that is trained on varied frames with its usual loss would instead keep the light in its latents, as what
foretells the next frame's light, and a goal picture from before the light changed would never be reached.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forearm.common.seeds import collection_reset_seed, collection_rng
from forearm.envs import make
from forearm.envs.mujoco_env import MujocoEnvironment
from forearm.envs.variation.factors import Variation
from forearm.envs.variation.frames import altered
from forearm.settings import compose as settings
from forearm.world_model.model.balance import median_colour
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import load_checkpoint, save_checkpoint
from forearm.world_model.runtime.slowness import slow_map

CHOICES = {
    **{"task": "push", "checkpoint": "push", "out": "outputs/push-robust", "episodes": "600", "seed": "0"},
    **{"updates": "2000", "batch": "96", "rate": "0.001", "balance": "true"},
}
FOREIGN = ("format", "model", "weights_sha256", "metrics")
"""What a checkpoint's description says that is not so of another encoder."""
SCENES = 2
"""Varied frames of each state."""
HELD_OUT = 0.05
"""Share of the episodes."""
LIGHT, BALANCE, NOISE = (0.55, 1.5), 0.15, 10.0
"""Ranges that a frame's light, white balance and noise are drawn from."""
CAMERA = 0.02
"""m by which the camera is moved at most."""
PLAIN = 0.25
"""Share of the frames whose light is left as it is."""


@dataclass(frozen=True)
class Film:
    """Frames (N, 1 + SCENES, R, R, 3) uint8: of N states the plain one, then others; by episode, in order."""

    frames: np.ndarray
    held_out: int


def film(task: str, path: Path, episodes: int, seed: int) -> Film:
    """Film the explorer, or take what was filmed before."""
    config = settings.load("collect", [f"task={task}"]).one("task")
    steps, side = int(config["collect"]["steps"]), int(config["resolution"])
    each = steps + 1
    held_out = max(1, round(HELD_OUT * episodes)) * each
    if path.exists():
        return Film(np.load(path, mmap_mode="r"), held_out)
    env = make(task, config["camera"], side)
    assert isinstance(env, MujocoEnvironment)
    unfinished = path.with_suffix(".part")
    shape = (episodes * each, 1 + SCENES, side, side, 3)
    frames = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
    edit, row = env.scene_edit(), 0
    for episode in range(episodes):
        env.reset(seed=collection_reset_seed(seed, episode), options={"goal": False})
        rng = collection_rng(seed, episode)
        policy, draws = env.explorer(rng), np.random.default_rng([seed, episode])
        for step in range(each):
            if step:
                env.advance(np.asarray(policy.act(), np.float32))
            frames[row, 0] = env.render()
            for scene in range(SCENES):
                for variation in scene_of(draws):
                    edit.apply(variation, draws)
                frames[row, 1 + scene] = env.render()
                edit.undo()
            row += 1
        if episode % 50 == 49:
            say(f"{episode + 1} of {episodes} episodes filmed")
    frames.flush()
    unfinished.rename(path)
    return Film(frames, held_out)


def scene_of(rng: np.random.Generator) -> list[Variation]:
    """What is otherwise in one scene: each factor in about two of three."""
    drawn = {
        "table": rng.uniform(0.3, 1.0),
        "object": rng.uniform(0.3, 1.0),
        "distractor": int(rng.integers(1, 4)),
        "camera": rng.uniform(0.0, CAMERA),
    }
    return [Variation(name, strength) for name, strength in drawn.items() if rng.random() < 0.65]


def in_other_light(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Frames (N, R, R, 3) uint8 in light, white balance and noise of their own, but `PLAIN` of them as they are."""
    count = len(frames)

    def draw(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *size, generator=generator)

    low, high = LIGHT
    light = torch.exp(draw(math.log(low), math.log(high), 1))
    gain = (light * draw(1 - BALANCE, 1 + BALANCE, 3))[:, None, None]
    level = (draw(0, NOISE) * (torch.rand(count, generator=generator) < 0.3))[:, None, None, None]
    noise = torch.randn(frames.shape, generator=generator) * level
    varied = (frames * gain + noise).round().clamp(0, 255).to(torch.uint8)
    plain = torch.rand(count, generator=generator) < PLAIN
    return torch.where(plain[:, None, None, None], frames, varied)


def with_balance(model: JEPA, film: Film) -> JEPA:
    """The same model, but that it scales frames to the median colour of the plain ones that were filmed."""
    found = JEPA(replace(model.config, balance=True))
    found.load_state_dict(model.state_dict(), strict=False)  # all but the one that follows
    plain = torch.from_numpy(np.ascontiguousarray(film.frames[::50, 0]))
    found.median_colour.copy_(median_colour(plain).median(dim=0).values)
    found.action_rest.copy_(model.action_rest)
    return found.eval().requires_grad_(False)


def teach(
    teacher: JEPA, film: Film, updates: int, batch: int, rate: float, seed: int, out: Path, about: dict[str, Any]
) -> JEPA:
    """A copy of `teacher` whose encoder makes of varied frames what `teacher` makes of plain ones."""
    import copy

    student = copy.deepcopy(teacher)
    slow = slow_map(teacher.step_covariance, 1.0)
    targets = latents_of(teacher, film.frames[:, 0])
    apart = targets - targets.roll(7, 0)
    usual, usual_slow = apart.square().mean(), (apart @ slow).square().mean()  # so that slow directions count as much
    learned = [*student.encoder.parameters(), *student.project.parameters()]
    for parameter in learned:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(learned, lr=rate, weight_decay=1e-4)
    rng, generator = np.random.default_rng([seed, 1]), torch.Generator().manual_seed(seed)
    begun, total = time.monotonic(), 0.0
    for update in range(updates):
        share = min(1.0, (update + 1) / 100) * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * update / updates)))
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        rows = np.sort(rng.integers(film.held_out, len(film.frames), batch))
        scenes = rng.choice(1 + SCENES, batch, p=[0.2, *[0.8 / SCENES] * SCENES])
        frames = in_other_light(torch.from_numpy(film.frames[rows, scenes]), generator)
        with torch.autocast("cpu", torch.bfloat16):
            seen = student.encode(frames)
        wrong = seen.float() - targets[rows]
        loss = wrong.square().mean() / usual + (wrong @ slow).square().mean() / usual_slow
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        total += float(loss.detach())
        if update % 500 == 499:
            save_checkpoint(copy.deepcopy(student).eval(), out / "unfinished", about)
        if update % 100 == 99:
            say(f"update {update + 1} of {updates}: loss {total / 100:.4f}, {time.monotonic() - begun:.0f} s")
            total = 0.0
    return student.eval().requires_grad_(False)


def latents_of(model: JEPA, frames: np.ndarray) -> Tensor:
    """(N, D) of frames (N, R, R, 3) uint8."""
    with torch.inference_mode():
        parts = [model.encode(np.ascontiguousarray(frames[i : i + 256])) for i in range(0, len(frames), 256)]
    return torch.cat(parts).clone()


def errors(model: JEPA, teacher: JEPA, film: Film) -> dict[str, float]:
    """Mean squared distance of latents, as a planner measures it, from the teacher's of the plain frame; and, to
    compare with, how far one state is from another.
    """
    slow = slow_map(teacher.step_covariance, 1.0)
    frames = film.frames[: film.held_out]
    wanted = latents_of(teacher, frames[:, 0])

    def far(seen: np.ndarray) -> float:
        return round(float(((latents_of(model, seen) - wanted) @ slow).square().mean()), 4)

    def varied(factor: str, strength: float) -> float:
        return far(altered(frames[:, 0], Variation(factor, strength), np.random.default_rng()))  # nothing is drawn

    found = {"plain": far(frames[:, 0]), "scenes": far(frames[:, 1])}
    found |= {f"light {gain}": varied("light", gain) for gain in (0.7, 0.85, 1.15, 1.3)}
    found |= {f"colour {shift}": varied("colour", shift) for shift in (0.1, -0.1)}
    found["another state"] = round(float(((wanted - wanted.roll(7, 0)) @ slow).square().mean()), 4)
    return found


def say(text: str) -> None:
    """A line for whoever waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> int:
    """Run the experiment."""
    chosen = {**CHOICES, **dict(word.split("=", 1) for word in words)}
    if unknown := set(chosen) - set(CHOICES):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(CHOICES)}")
    out = Path(chosen["out"])
    out.mkdir(parents=True, exist_ok=True)
    seed = int(chosen["seed"])
    filmed = film(chosen["task"], out / "frames.npy", int(chosen["episodes"]), seed)
    teacher, document = load_checkpoint(chosen["checkpoint"])
    if chosen["balance"] == "true":
        teacher = with_balance(teacher, filmed)
    say(f"before: {errors(teacher, teacher, filmed)}")
    kept = {key: value for key, value in document.items() if key not in FOREIGN}
    how = {key: chosen[key] for key in ("episodes", "updates", "batch", "rate", "balance", "seed")}
    about = {**kept, "robust_encoder": {**how, "teacher": document["weights_sha256"]}}
    updates, batch, rate = int(chosen["updates"]), int(chosen["batch"]), float(chosen["rate"])
    student = teach(teacher, filmed, updates, batch, rate, seed, out, about)
    about["robust_encoder"]["errors"] = found = errors(student, teacher, filmed)
    say(f"after: {found}")
    save_checkpoint(student, out / "model", about)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
