"""What is measured: a task under a protocol is a cell, and a cell is one `forearm compare`."""

from dataclasses import dataclass
from pathlib import Path

BUILT_IN = ("reach", "push", "pick_place")
CUBE = "ogbench/cube-single"
SAWYER = ("metaworld/reach-v3", "metaworld/push-v3")
DRAWER = "metaworld/drawer-open-v3"
BUTTON_AND_DRAWER = ("metaworld/button-press-v3", DRAWER)
FETCH = ("fetch/reach", "fetch/push")
FETCH_PICK = "fetch/pick-and-place"
WITH_PRIOR = ("fetch/reach", "fetch/push")
"""Those of Fetch whose heads ship with a prior that sees slow features of a goal."""
FOLDER = Path("outputs/results")
"""Where the comparisons' results lie."""


@dataclass(frozen=True)
class Cell:
    """A task under a protocol, both by the names of their configs."""

    task: str
    protocol: str

    @property
    def title(self) -> str:
        """Of its row."""
        return f"`{self.task}`"

    @property
    def folder(self) -> Path:
        """Of its comparison."""
        return FOLDER / f"{self.task.replace('/', '-')}-{self.protocol}"

    def words(self, episodes: int, seed: int, planner: str) -> list[str]:
        """What follows `forearm compare`."""
        return [
            f"task={self.task}", f"protocol={self.protocol}", f"planner={planner}", f"episodes={episodes}",
            f"seed={seed}", "films=1", f"out={self.folder}",
        ]  # fmt: skip

    @property
    def ceiling(self) -> "Ceiling | None":
        """The same planner on the simulator itself; None where there is none."""
        return Ceiling(self.task, self.protocol)


@dataclass(frozen=True)
class WithPrior(Cell):
    """The same with the learned prior of the task's heads: a plan out of what it proposes, and what it does alone.

    `horizon`: control steps, as many as the prior proposes; `pace`: those that are carried out from each plan; `gain`:
    what commands are multiplied by; `learned`: whether candidates are judged by the learned distance at the end of
    the horizon, not by that of slow features; `temperature`: of the weights by which MPPI averages them, 0: the best of
    them is carried out.
    """

    horizon: int = 16
    pace: int = 2
    gain: float = 1.0
    learned: bool = False
    temperature: float = 0.0

    @property
    def title(self) -> str:
        """Of its row."""
        return f"{super().title} with its prior"

    @property
    def folder(self) -> Path:
        """Of its comparison."""
        return FOLDER / f"{self.task.replace('/', '-')}-{self.protocol}-prior"

    @property
    def ceiling(self) -> None:
        """None: the prior knows no simulator."""
        return None

    def words(self, episodes: int, seed: int, planner: str) -> list[str]:
        """What follows `forearm compare`: one iteration of MPPI, or the usual four of random shooting."""
        planner, search = "random_shooting", []
        if self.temperature:
            planner = "mppi"
            search = ["planner.iterations=1", f"planner.temperature={self.temperature}", "planner.execute=mean"]
        gain = [] if self.gain == 1.0 else [f"task.prior_gain={self.gain}"]
        # The learned distance weighs so much that the distance of latents beside it does not count.
        measure = "terminal=1000" if self.learned else "features=true"
        return [
            *super().words(episodes, seed, planner), *search,
            "planner.samples=64", "planner.prior_share=1", "planner.warm_start=false", "task.prior_spread=0.3", *gain,
            f"planner.horizon={self.horizon}", "planner.action_repeat=1", f"replan_every={self.pace}",
            "task.proposals=[prior]", f"task.objective.{measure}", "task.objective.weights=last", "baselines=[prior]",
        ]  # fmt: skip


@dataclass(frozen=True)
class Ceiling(Cell):
    """The oracle's comparison: apart, as a plan on a benchmark's simulator takes seconds to minutes.

    It has an eighth of the usual evaluations, and fewer episodes.
    """

    @property
    def folder(self) -> Path:
        """Of its comparison."""
        return FOLDER / f"{self.task.replace('/', '-')}-{self.protocol}-oracle"

    def words(self, episodes: int, seed: int, planner: str) -> list[str]:
        """What follows `forearm compare`."""
        few = ["planner.samples=32", "planner.iterations=2", f"{planner}.elites=6"]
        only = ["learned=false", "oracle=true", f"oracle_episodes={episodes}", "baselines=[]"]
        return [*super().words(episodes, seed, planner), *few, *only]


CELLS = (
    *(Cell(task, "rest") for task in (*BUILT_IN, CUBE, *SAWYER, *FETCH, FETCH_PICK)),
    WithPrior("pick_place", "rest", horizon=12, pace=3, gain=1.3, learned=True, temperature=0.3),
    WithPrior(CUBE, "rest", pace=4, gain=1.25, learned=True, temperature=1.0),
    WithPrior("metaworld/push-v3", "rest", horizon=18, pace=4, learned=True, temperature=1.0),
    *(WithPrior(task, "rest") for task in (*WITH_PRIOR, FETCH_PICK)),
    Cell(CUBE, "strict"),
    WithPrior(CUBE, "strict", pace=4, gain=1.25, learned=True, temperature=1.0),
    Cell(CUBE, "ogbench"),
    WithPrior(CUBE, "ogbench", pace=4, gain=1.25, learned=True, temperature=1.0),
    *(Cell(task, "jepa-wms") for task in (*SAWYER, *BUTTON_AND_DRAWER)),
    Cell("metaworld/reach-wall-v3", "jepa-wms"),
    WithPrior("metaworld/reach-v3", "jepa-wms", horizon=18, pace=4, gain=1.3, learned=True, temperature=1.0),
    WithPrior("metaworld/push-v3", "jepa-wms", horizon=18, pace=4, learned=True, temperature=1.0),
    WithPrior("metaworld/reach-wall-v3", "jepa-wms", horizon=18, pace=4, learned=True, temperature=1.0),
    WithPrior(DRAWER, "jepa-wms", horizon=18, pace=4, gain=1.3, learned=True, temperature=1.0),
    *(Cell(task, "lewm") for task in (CUBE, *SAWYER, *FETCH)),
    WithPrior(CUBE, "lewm", pace=4, gain=1.25, learned=True, temperature=1.0),
    *(WithPrior(task, "lewm") for task in WITH_PRIOR),
)
"""In the order of the page."""
