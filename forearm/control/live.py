"""A controller on a live page: camera, imagination, candidates, costs and statuses, told from where they come up."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from forearm.control.action_adapter import ActionAdapter
from forearm.control.attempt import Frame
from forearm.control.command import Command
from forearm.control.plan_source import LocalPlanSource, PlanSource, fit_of
from forearm.errors import ForearmError
from forearm.live.news import numbers, picture
from forearm.world_model.data.incoming import FrameFit

if TYPE_CHECKING:
    import numpy as np

    from forearm.envs import ArmEnv
    from forearm.live.page import LivePage
    from forearm.planner.plan import Plan

logger = logging.getLogger(__name__)


class LiveController:
    """Tells a page about a controller; what fails here is logged once, and never disturbs the arm.

    Args:
        page: where.
        source: what plans.
        adapter: tells where the tool is, for the paths that were tried.
        own: close the page in the end.
    """

    def __init__(self, page: "LivePage", source: PlanSource, adapter: ActionAdapter, own: bool = False) -> None:
        self.page = page
        self._source, self._adapter, self._own = source, adapter, own
        setup = getattr(source, "setup", None)
        self._name = "controller" if setup is None else f"{setup.task['name']}-{setup.planner_name}, controller"
        self._said: tuple[Any, str] | None = None
        self._broken = False
        self._env: list[ArmEnv | None] = []  # none before it was looked for
        if isinstance(source, LocalPlanSource):
            source.listen = True

    def begin(self, goal: Any) -> None:
        """The goal, once the source has taken it."""
        frame = getattr(self._source, "goal", None)
        self._tell(lambda: {"goal": None if frame is None else picture(frame), "imagined": [], "paths": []})

    def seen(self, frame: Frame, distance: float | None) -> None:
        """A frame that was believed, and how far from the goal it is, as a share of the radius."""
        near = None if distance is None else numbers([distance])[0]
        self._tell(lambda: {"camera": picture(frame.observation["pixels"]), "distance": near})

    def planned(self, plan: "Plan", frame: Frame) -> None:
        """A plan that was made from a frame."""
        self._tell(lambda: self._news_of(plan, frame))

    def status(self, command: Command) -> None:
        """What the arm is told, where that is another status than before."""
        said = (command.status, command.reason)
        if said != self._said:
            self._said = said
            self._tell(lambda: {"status": command.status.value, "reason": command.reason})

    def close(self) -> None:
        """The controller ends."""
        if self._own:
            self.page.close()

    def _news_of(self, plan: "Plan", frame: Frame) -> dict[str, Any]:
        from forearm.live.plans import news_of_plan

        imagined = getattr(self._source, "imagined", lambda: None)()
        tried = getattr(self._source, "tried", None)
        return news_of_plan(plan, imagined, tried, self._paths(tried, frame.position))

    def _paths(self, tried: Any, position: "np.ndarray") -> "tuple[np.ndarray, np.ndarray] | None":
        """Where candidates send the tool, as the task's camera sees it; None where that is not known."""
        from forearm.agent.candidates import paths_from

        setup, tool = getattr(self._source, "setup", None), getattr(self._adapter, "tool", None)
        if setup is None or tool is None or tried is None or not tried.costs:
            return None
        if not self._env:
            self._env = [_camera_of(setup)]
        [env] = self._env
        return None if env is None else paths_from(env, tool(position[None])[0], tried)

    def _tell(self, news: Callable[[], dict[str, Any]]) -> None:
        if self._broken:
            return
        try:
            self.page.publish(self._name, **news())
        except Exception:
            self._broken = True
            logger.exception("the live page of a controller is given up")


def _camera_of(setup: Any) -> "ArmEnv | None":
    """The simulator whose camera is the task's, to project with; nothing is drawn by it."""
    from forearm import envs

    name = str(setup.task["name"])
    if name not in envs.TASKS:
        return None
    env = envs.make(name, setup.task["camera"], setup.resolution)
    env.reset(seed=0, options={"goal": False})
    return env if isinstance(env, envs.ArmEnv) else None


def shown_on(live: "LivePage | bool", source: PlanSource, adapter: ActionAdapter) -> LiveController | None:
    """What tells a page, the one that is given or one of its own; raises what `LivePage` raises."""
    if live is False or live is None:
        return None
    from forearm.live.page import LivePage

    if not isinstance(fit_of(source), FrameFit):
        raise ForearmError("live: this model sees sensors and no frames, so there is nothing to show: leave it out")
    return LiveController(LivePage() if live is True else live, source, adapter, own=live is True)
