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
PUSHT = "pusht"
CHOSEN_ON = tuple(range(10))
"""Seeds of episodes that are looked at while settings are chosen."""
BEFORE = 2
"""The one of them that reported, before there were seeds for that alone."""
SEEDS = (3165, 5415, 6316)
"""Seeds of episodes that report, drawn by chance, once: nothing is chosen after they have been looked at."""
FOLDER = Path("outputs/results")
"""Where the comparisons' results lie."""


@dataclass(frozen=True)
class Cell:
    """A task under a protocol, both by the names of their configs; with a seed, on its episodes alone."""

    task: str
    protocol: str
    seed: int | None = None

    @property
    def title(self) -> str:
        """Of its row."""
        return f"`{self.task}`"

    @property
    def name(self) -> str:
        """Of its comparison."""
        return f"{self.task.replace('/', '-')}-{self.protocol}" + ("" if self.seed is None else f"-seed{self.seed}")

    @property
    def folder(self) -> Path:
        """Of its comparison."""
        return FOLDER / self.name

    @property
    def apart(self) -> str:
        """Of a comparison of holding still alone, after the rest; whoever measures the cell measures that anew."""
        return f"{self.name}-hold"

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of all comparisons that its row is made of."""
        return (self.name, self.apart, *([] if self.ceiling is None else [self.ceiling.name]))

    def words(self, episodes: int, seed: int, planner: str) -> list[str]:
        """What follows `forearm compare`."""
        return [
            f"task={self.task}", f"protocol={self.protocol}", f"planner={planner}", f"episodes={episodes}",
            f"seed={seed}", "films=1", f"out={self.folder}",
        ]  # fmt: skip

    @property
    def ceiling(self) -> "Ceiling | None":
        """The same planner on the simulator itself; None where there is none."""
        return Ceiling(self.task, self.protocol, self.seed)


@dataclass(frozen=True)
class WithPrior(Cell):
    """The same with the learned prior of the task's heads: a plan out of what it proposes, and what it does alone."""

    @property
    def title(self) -> str:
        """Of its row."""
        return f"{super().title} with its prior"

    @property
    def name(self) -> str:
        """Of its comparison."""
        return f"{super().name}-prior"

    @property
    def ceiling(self) -> None:
        """None: the prior knows no simulator."""
        return None

    def words(self, episodes: int, seed: int, planner: str) -> list[str]:
        """What follows `forearm compare`."""
        return [*super().words(episodes, seed, "guided"), "baselines=[prior]"]


@dataclass(frozen=True)
class Ceiling(Cell):
    """The oracle's comparison: apart, as a plan on a benchmark's simulator takes seconds to minutes.

    It has an eighth of the usual evaluations, and fewer episodes.
    """

    @property
    def name(self) -> str:
        """Of its comparison."""
        return f"{super().name}-oracle"

    def words(self, episodes: int, seed: int, planner: str) -> list[str]:
        """What follows `forearm compare`."""
        few = ["planner.samples=32", "planner.iterations=2", f"{planner}.elites=6"]
        only = ["learned=false", "oracle=true", f"oracle_episodes={episodes}", "baselines=[]"]
        return [*super().words(episodes, seed, planner), *few, *only]


CELLS = (
    *(Cell(task, "rest") for task in (*BUILT_IN, CUBE, *SAWYER, *FETCH, FETCH_PICK)),
    WithPrior("pick_place", "rest"),
    WithPrior(CUBE, "rest"),
    WithPrior("metaworld/push-v3", "rest"),
    *(WithPrior(task, "rest") for task in (*FETCH, FETCH_PICK)),
    Cell(CUBE, "strict"),
    WithPrior(CUBE, "strict"),
    Cell(CUBE, "ogbench"),
    WithPrior(CUBE, "ogbench"),
    *(Cell(task, "jepa-wms") for task in (*SAWYER, *BUTTON_AND_DRAWER)),
    Cell("metaworld/reach-wall-v3", "jepa-wms"),
    WithPrior("metaworld/reach-v3", "jepa-wms"),
    WithPrior("metaworld/push-v3", "jepa-wms"),
    WithPrior("metaworld/reach-wall-v3", "jepa-wms"),
    WithPrior(DRAWER, "jepa-wms"),
    *(Cell(task, "lewm") for task in (CUBE, *SAWYER, *FETCH, PUSHT)),
    *(WithPrior(task, "lewm") for task in (CUBE, *FETCH, PUSHT)),
)
"""In the order of the page."""

HEADLINE = (*(Cell(task, "rest") for task in (*BUILT_IN, CUBE, *SAWYER, *FETCH, FETCH_PICK)), Cell(CUBE, "strict"))
"""The rows of the README's table."""
