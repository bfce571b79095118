"""From figures to one sentence: what keeps a plan from being as good as one on the true world?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from forearm.diagnosis.cells import CEILING, DIAGNOSED, LATENT, PROBE, TRUE, Cell
from forearm.evaluation.statistics import exact_paired_p

NOTHING, LATENTS, COST, DYNAMICS, CANDIDATES, DISTANCE = (
    "nothing", "latents", "cost", "dynamics", "candidates", "distance",
)  # fmt: skip
WORDS = {
    NOTHING: "limited by nothing that these episodes show",
    LATENTS: "limited by what the latents show",
    COST: "limited by the cost",
    DYNAMICS: "limited by the dynamics",
    CANDIDATES: "limited by the candidates",
    DISTANCE: "limited by the distance of the target",
}


@dataclass(frozen=True)
class Verdict:
    """The largest loss between one cell and the next, and whether an exact paired test shows it.

    Attributes:
        limit: one of `WORDS`.
        lost: episodes solved before this loss less those solved after it.
        p: of the exact paired test between the two.
        shown: whether p is below alpha.
        losses: by limit, episodes lost.
    """

    limit: str
    lost: int
    p: float
    shown: bool
    losses: dict[str, int]

    def numbers(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """For people."""
        if self.limit == NOTHING:
            return WORDS[NOTHING]
        sure = f"{self.lost} episodes lost there, p = {self.p:.2g}"
        return WORDS[self.limit] + f" ({sure}" + (")" if self.shown else "; not shown: more episodes would tell)")


def judge(
    solved: Mapping[Cell, Sequence[bool]], horizon: int, goal_steps: float | None, alpha: float = 0.05
) -> Verdict:
    """What limits `DIAGNOSED`, from the outcomes of every cell on the same episodes.

    Four losses are weighed. From all episodes to those that true dynamics and true positions solve: the candidates,
    or the distance of the target where an expert needs more than `horizon` control steps, `goal_steps`. From there to
    the better of the two costs on true latents: what the latents show. From that to the task's own cost: the cost.
    From true to learned dynamics: the dynamics.
    """
    count = {cell: sum(outcomes) for cell, outcomes in solved.items()}
    probe, own = Cell(TRUE, PROBE), Cell(TRUE, LATENT)
    seen = probe if count[probe] > count[own] else own
    every = [True] * len(solved[CEILING])
    far = goal_steps is not None and goal_steps > horizon
    chain: list[tuple[str, Sequence[bool], Sequence[bool]]] = [
        (DISTANCE if far else CANDIDATES, every, solved[CEILING]),
        (LATENTS, solved[CEILING], solved[seen]),
        (COST, solved[seen], solved[own]),
        (DYNAMICS, solved[own], solved[DIAGNOSED]),
    ]
    losses = {limit: sum(before) - sum(after) for limit, before, after in chain}
    limit, before, after = max(chain, key=lambda link: sum(link[1]) - sum(link[2]))
    lost = losses[limit]
    if lost <= 0:
        return Verdict(NOTHING, 0, 1.0, False, losses)
    only_before = sum(a and not b for a, b in zip(before, after, strict=True))
    only_after = sum(b and not a for a, b in zip(before, after, strict=True))
    p = exact_paired_p(only_before, only_after)
    return Verdict(limit, lost, p, p < alpha, losses)
