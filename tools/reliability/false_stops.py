"""How often frames of normal motion stop an arm: held-out motion of explorers and of a controller, gone through."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from forearm.agent.loaded_model import load
from forearm.calibrate.motion import STEPS, exploring
from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY, SimulatedArm
from forearm.control import Controller, load_robot
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.calibration import calibration_of
from forearm.control.frame_gate import Gate
from forearm.evaluation.statistics import rate_bound

SEED = 765977
"""Drawn once, by chance; neither models nor calibrations saw its motion."""
DRIVEN = 0.1
"""Share of the motion that a controller drives; explorers do the rest."""
SECONDS = 15.0
"""Of an episode that a controller drives."""

Seen = list[dict[str, Any]]


def false_stops(hours: float, task: str, seed: int = SEED) -> dict[str, Any]:
    """`hours` of normal motion of a task's checkpoint: how often its gate would have stopped the arm, how often one
    frame alone was doubted, and what rate per hour that bounds, with a confidence of 95 %.
    """
    loaded, adapter = load(task), ToolActionAdapter(task)
    gate = Gate(load_robot(), calibration_of(loaded.task, loaded.document).looks)
    driven = max(1, round(DRIVEN * hours * 3600 / SECONDS))
    explored = max(1, round((1.0 - DRIVEN) * hours * 3600 / (STEPS * adapter.period)))
    stops, doubted, frames, said = [0, 0], 0, 0, list[str]()
    for which, episodes in enumerate((exploring(task, loaded.resolution, seed, explored), driving(task, seed, driven))):
        for seen in episodes:
            with torch.inference_mode():
                latents = loaded.model.encode(np.stack([each["pixels"] for each in seen])).double().numpy()
            found = gone_through(gate, seen, latents, adapter)
            stops[which] += len(found.stops)
            doubted, frames = doubted + found.doubted, frames + len(seen)
            said += found.stops
    moved = (explored * STEPS * adapter.period + driven * SECONDS) / 3600
    return {
        "task": task,
        "hours": moved,
        "driven_hours": driven * SECONDS / 3600,
        "frames": frames,
        "doubted": doubted,
        "stops": sum(stops),
        "stops_driven": stops[1],
        "said": said,
        "per_hour_at_most": rate_bound(sum(stops), moved),
    }


@dataclass
class Found:
    """How many frames were doubted, and why the arm was stopped, each time."""

    doubted: int = 0
    stops: list[str] = field(default_factory=list)


def gone_through(gate: Gate, seen: Seen, latents: np.ndarray, adapter: ToolActionAdapter) -> Found:
    """Frames of one episode, one control period apart."""
    gate.begin()
    found, before = Found(), False
    for number, (observation, latent) in enumerate(zip(seen, latents, strict=True)):
        doubt = gate.see(number * adapter.period, observation, adapter.read(observation), latent)
        found.doubted += bool(doubt)
        if gate.sure and not before:
            found.stops.append(doubt)
        before = gate.sure
    return found


def driving(task: str, seed: int, episodes: int) -> Iterable[Seen]:
    """What is seen of held-out episodes that a controller drives, as it is shipped but for its gate."""
    arm = SimulatedArm(task, seed, load(task).resolution)
    with Controller.load(task, mode="inline", clock=lambda: 0.0, check_goals=False, check_frames=False) as control:
        for number in range(episodes):
            control.reset(arm.goal, moved=True)
            seen: Seen = []
            for beat in range(round(SECONDS / BEAT)):
                now = 100.0 * number + beat * BEAT
                observation = arm.observe(now) if beat % FRAME_EVERY == 0 else None
                seen += [] if observation is None else [observation]
                arm.move(control.act(observation, now), control.robot)
            yield seen
            arm.begin()
    arm.close()


def of_tasks(hours: float, tasks: Sequence[str]) -> dict[str, Any]:
    """`hours` of each of the tasks, and all of them together."""
    rows = [false_stops(hours, task) for task in tasks]
    stops, moved = sum(row["stops"] for row in rows), sum(row["hours"] for row in rows)
    return {"tasks": rows, "stops": stops, "hours": moved, "per_hour_at_most": rate_bound(stops, moved)}
