"""Episodes of a comparison on a live page: camera, imagination, candidates, costs and how it ends."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.agent import Act, Acting, Observation
from forearm.agent.candidates import Candidates, paths
from forearm.agent.imagination import Imagination, imagined_of
from forearm.live.news import Publishing, picture
from forearm.live.plans import news_of_plan

if TYPE_CHECKING:
    from forearm.envs import Environment


class LiveEpisodes:
    """Tells a page about the first of the episodes that one process runs together for one row.

    Args:
        page: takes the news.
        label: of the row.
        imagination: draws what plans are expected to lead to; None: nothing is drawn.

    Attributes:
        tried: what was tried for the last plan of each episode.
    """

    def __init__(self, page: Publishing, label: str, imagination: Imagination | None) -> None:
        self._page, self._source, self._imagination = page, f"{label} (process {os.getpid()})", imagination
        self.tried: Mapping[int, Candidates] = {}

    def step(
        self,
        env: "Environment",
        b: int,
        when: tuple[int, int],
        seen: Observation,
        goal: np.ndarray,
        act: Act,
        agent: Acting,
    ) -> None:
        """What episode `b` shows at `when`, episode and step, and what was decided."""
        if b:
            return
        episode, step = when
        news: dict[str, Any] = {"camera": picture(seen["pixels"]), "step": step, "status": "moving", "reason": ""}
        if not step:
            news |= {"episode": episode, "goal": picture(goal)}
        if act.fresh and act.plan is not None:
            imagined = imagined_of(agent, b, act, self._imagination)
            candidates = self.tried.get(b)
            news |= news_of_plan(act.plan, imagined, candidates, paths(env, candidates))
        self._page.publish(self._source, **news)

    def over(self, b: int, success: bool, distance: float) -> None:
        """How episode `b` ended, and how far from its goal, in m."""
        if not b:
            how = "reached" if success else "not reached"
            self._page.publish(self._source, status=how, reason=f"{distance:.3f} m from the goal")
