"""Golden entries of the shipped world models: plans from stored frames, a controller's commands, a server's replies."""

from typing import Any

import numpy as np

from forearm.agent.loaded_model import load
from forearm.agent.setup import planner_config
from forearm.control import Controller
from forearm.world_model.runtime.checkpoint import load_checkpoint, shipped
from tests.golden.drawing import FOLDER, frame, readings
from tests.golden.pinned import sha256
from tests.planner.toys import content

TASKS = ("reach", "push", "pick_place")
BEAT = 0.01


def checkpoints() -> dict[str, str]:
    """Every shipped checkpoint, as it is loaded: its document and its weights."""
    found = {}
    for name in sorted(shipped()):
        model, document = load_checkpoint(name)
        weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
        found[name] = sha256([document, weights])
    return found


def plans_of(task: str) -> dict[str, str]:
    """Plans from a task's stored frames, by three planners and with two seeds."""
    loaded = load(task)
    found = {}
    for planner in ("cem", "mppi", "guided"):
        for seed in (0, 1):
            plan = loaded.plan(
                frame(task, "start"), frame(task, "goal"), planner=planner, seed=seed, proprio=readings(task)
            )
            found[f"{planner}, seed {seed}"] = sha256(content(plan))
    usual = loaded.plan(FOLDER / task / "start.png", str(FOLDER / task / "goal.png"), proprio=readings(task))
    return found | {"as the task says, from files": sha256(content(usual))}


def controller() -> dict[str, str]:
    """What a controller sends and says in 130 beats towards two goals, where the arm does at once what it is told."""
    now = 10.0
    control = Controller.load(
        "reach", planner="cem", mode="inline", clock=lambda: now, check_goals=False, check_frames=False
    )
    place, commands = readings("reach").astype(float), []
    for beat in range(130):
        if beat in (5, 100):
            control.reset(frame("reach", "goal" if beat == 5 else "start"))
        seen = {"pixels": frame("reach", "start"), "proprio": place.astype(np.float32)} if beat % 10 == 0 else None
        command = control.act(seen, now)
        commands.append(command)
        if command.positions is not None:
            place = np.concatenate([command.positions, command.velocities, [command.gripper]])
        now += BEAT
    assert control.plan is not None
    return {
        "said": sha256([[c.time, c.status.value, c.reason, c.plan_id] for c in commands]),
        "sent": sha256([[c.positions, c.velocities, c.accelerations] for c in commands]),
        "gripper": sha256([[c.gripper, c.gripper_velocity] for c in commands]),
        "last plan": sha256(content(control.plan)),
        "counts": sha256(dict(control.counts)),
    }


def server() -> dict[str, str]:
    """A server's metadata, and what it answers to requests as they come over the wire, times aside."""
    from forearm.serve.config import ServeConfig
    from forearm.serve.goals import Goals
    from forearm.serve.request import RequestError, RequestShape, read
    from forearm.serve.server import Server
    from forearm.serve.session import Session
    from forearm.serve.wire import pack, unpack

    loaded = load("reach")
    planner = {**planner_config("cem"), "samples": 32, "elites": 8, "iterations": 2}
    setup = loaded.setup(planner)
    whole = Server(setup, ServeConfig(port=0), Goals(FOLDER / "reach", setup))
    session = Session(setup, whole.goals, execute=4, seed=3)
    shape = RequestShape(64, 4, loaded.model.config.proprio_dim)
    start, goal = frame("reach", "start"), frame("reach", "goal")
    requests: dict[str, Any] = {
        "no goal": {"pixels": start},
        "goal": {"pixels": start, "goal": goal, "want_plan": True, "request_id": "a"},
        "more": {"observation/image": start, "elapsed_steps": 3, "want_plan": True},
        "past": {"pixels": goal, "past": np.full((4, 4), 0.25), "committed": np.full((2, 4), 0.5), "want_plan": True},
        "reset": {"reset": True, "protocol": 1},
        "time": {"pixels": start, "goal": "goal", "time": 1.0, "want_plan": True},
        "earlier": {
            "pixels": start, "time": 1.4, "want_plan": True,
            "earlier_pixels": np.stack([goal, start]), "earlier_times": [1.2, 1.3],
        },
        "no time": {"pixels": start},
        "back in time": {"pixels": start, "time": 1.0},
        "no such goal": {"pixels": start, "time": 2.0, "goal": "nowhere"},
        "odd": {"pixels": start, "time": 2.0, "committed": np.zeros((1, 4))},
        "grey": {"pixels": start[..., :1], "time": 2.0},
        "unknown protocol": {"pixels": start, "protocol": 2},
    }  # fmt: skip
    metadata = {key: value for key, value in whole.metadata.items() if key != "version"}
    found = {"metadata": sha256(metadata)}
    for name, message in requests.items():
        try:
            reply = session.answer(read(unpack(pack(message)), shape), 1.0)
            reply["policy_timing"] = sorted(reply.get("policy_timing", {}))
            if "plan" in reply:
                reply["plan"] = {key: value for key, value in reply["plan"].items() if key != "timings_ms"}
            found[name] = sha256([reply, np.frombuffer(pack(reply), np.uint8)])
        except RequestError as error:
            found[name] = str(error)
    return found
