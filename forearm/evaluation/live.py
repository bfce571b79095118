"""Episodes of a comparison on a live page: camera, imagination, candidates, costs and how it ends."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.agent import Act, Observation
from forearm.agent.candidates import Candidates, paths
from forearm.agent.imagination import Imagined
from forearm.live.news import Publishing, picture
from forearm.live.plans import news_of_plan

if TYPE_CHECKING:
    from forearm.envs import Environment


class LiveEpisodes:
    """Tells a page about the first of the episodes that one process runs together for one row.

    Args:
        page: takes the news.
        label: of the row.

    Attributes:
        tried: what was tried for the last plan of each episode that runs.
    """

    def __init__(self, page: Publishing, label: str) -> None:
        self._page, self._source = page, f"{label} (process {os.getpid()})"
        self.tried: Mapping[int, Candidates] = {}

    def step(
        self,
        env: "Environment",
        when: tuple[int, int],
        seen: Observation,
        goal: np.ndarray,
        act: Act,
        imagined: Imagined | None,
    ) -> None:
        """What it shows at `when`, episode and step, what was decided, and what a fresh plan is expected to lead to."""
        episode, step = when
        news: dict[str, Any] = {"camera": picture(seen["pixels"]), "step": step, "status": "moving", "reason": ""}
        if not step:
            news |= {"episode": episode, "goal": picture(goal)}
        if act.fresh and act.plan is not None:
            candidates = self.tried.get(0)
            news |= news_of_plan(act.plan, imagined, candidates, paths(env, candidates))
        self._page.publish(self._source, **news)

    def over(self, success: bool, distance: float) -> None:
        """How it ended, and how far from its goal, in m."""
        how = "reached" if success else "not reached"
        self._page.publish(self._source, status=how, reason=f"{distance:.3f} m from the goal")
