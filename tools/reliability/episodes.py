"""Whole episodes through the controller, in simulated time: does planning ahead, shaped and checked, still succeed?"""

from typing import Any

from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY, SimulatedArm
from forearm.control import Controller, load_robot
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.command import Command
from forearm.control.plan_source import LocalPlanSource


def episodes(count: int, task: str, seed: int = 2) -> dict[str, Any]:
    """The first `count` held-out episodes of a seed, each from rest, over at the first success or the task's limit."""
    from forearm.agent.loaded_model import load

    robot, adapter, source = load_robot(), ToolActionAdapter(task), LocalPlanSource(load(task).setup())
    arm = SimulatedArm(task, seed)
    solved, violations = 0, 0
    for _ in range(count):
        now, sent = 0.0, list[Command]()
        control = Controller(source, robot, adapter, mode="inline", clock=lambda: 0.0)
        control.reset(arm.goal)
        for beat in range(round(arm.env.max_episode_steps * arm.env.control_period / BEAT)):
            now = beat * BEAT
            sent.append(control.act(arm.observe(now) if beat % FRAME_EVERY == 0 else None, now))
            arm.move(sent[-1], robot)
            if arm.env.success():
                break
        solved += arm.env.success()
        violations += len(audit(sent, robot).violations)
        arm.begin()
    arm.close()
    return {"task": task, "episodes": count, "solved": solved, "violations": violations}
