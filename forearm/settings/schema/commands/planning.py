"""Settings of the commands that plan: one plan, what is imagined, a closed loop."""

from dataclasses import dataclass, field
from typing import Any

from forearm.common import checks, durations
from forearm.settings.schema.engine import RayConfig
from forearm.settings.schema.vary import VaryConfig


@dataclass
class PlanCommand:
    """One plan from a start frame and a goal frame. Nothing moves.

    Attributes:
        start: PNG of the start; null: sampled from seed.
        goal: PNG of the goal, or places in m, {object: [0.5, 0.1]} or {tool: [0.5, 0.1, 0.1]}; null: sampled from seed.
        proprio: readings of the arm at the start, as the model was trained on them; null: found in the picture, of the
            built-in arm.
        seed: of the search, and of what is sampled.
        episode: which of the seed's held-out episodes to sample, where no files are given.
        out: file of the plan.
        format: plan: the document; joint_trajectory: what the joints do, for ROS 2 (.json, .yaml) or as .csv.
        rate: points a second of a joint trajectory.
        picture: PNG of the planned path over the start frame; null: beside out.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
    """

    start: str | None = None
    goal: Any = None
    proprio: Any = None
    seed: int = checks.setting(0, checks.whole, least=0)
    episode: int = checks.setting(0, checks.whole, least=0)
    out: str = "plan.json"
    format: str = "plan"
    rate: float = 50.0
    picture: str | None = None
    model: str | None = None


@dataclass
class ImagineCommand:
    """What the world model expects of any commands, as pictures. Nothing moves.

    Attributes:
        actions: rows of numbers, one a control step, [[0.5,0,0,0],...]; or a file of them: a plan, .json or .csv.
        start: PNG of the start; null: sampled from seed.
        goal: PNG of the goal whose distance is told, or places in m; null: sampled with the start, none for a given
            one.
        proprio: joint readings at the start, [0.1,-0.2,...], for a model that wants them; null: of the sampled start.
        seed: of what is sampled.
        episode: which of the seed's held-out episodes to sample.
        real: carry the commands out in the simulator too, and show what comes beside what was imagined.
        out: file of the commands, times and distances.
        picture: a strip (.png) or a film (.mp4); null: a strip beside out.
    """

    actions: Any = None
    start: str | None = None
    goal: Any = None
    proprio: Any = None
    seed: int = checks.setting(0, checks.whole, least=0)
    episode: int = checks.setting(0, checks.whole, least=0)
    real: bool = False
    out: str = "imagined.json"
    picture: str | None = None


@dataclass
class RunCommand:
    """Closed loop in the simulator, with a film of every episode.

    Attributes:
        episodes: how many.
        seed: of the episodes and of the search.
        out: folder of films and results.json; null: outputs/<task>-<planner>.
        dynamics: learned, or oracle: the simulator itself instead of the world model.
        replan_every: control steps that are executed from each plan, or seconds, such as 0.4s; null: the task's.
        batch: episodes that are planned together in one process.
        workers: processes.
        engine: where they run: local, on this machine, or ray, on a cluster (needs the extra scale).
        films: episodes to film; null: all.
        to_end: after their first success episodes run on to their limit of steps, so that what is held there is
            counted too; false: they end with it, which is faster.
        model: world model in the place of the task's: a checkpoint, or a function of one's own, module:function.
        live: show camera, imagination, candidates, costs and statuses while episodes run, on a page that only this
            machine can reach; needs the extra live.
        live_port: of that page; 0: any free one.
        device: of torch, where the world model is: cpu, cuda, cuda:1, mps; null: cuda where there is one, else cpu.
    """

    episodes: int = checks.setting(3, checks.whole, least=1)
    seed: int = checks.setting(0, checks.whole, least=0)
    out: str | None = None
    dynamics: str = "learned"
    replan_every: int | str | None = checks.setting(None, durations.steps, least=1)
    batch: int = checks.setting(1, checks.whole, least=1)
    workers: int = checks.setting(1, checks.whole, least=1)
    engine: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)
    films: int | None = checks.setting(None, checks.whole, least=0)
    to_end: bool = True
    model: str | None = None
    vary: VaryConfig = field(default_factory=VaryConfig)
    live: bool = False
    live_port: int = checks.setting(8010, checks.whole, least=0)
    device: str | None = "cpu"
