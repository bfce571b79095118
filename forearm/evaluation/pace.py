"""How long the rest of a comparison takes."""

from collections.abc import Mapping

from forearm.evaluation.closed_loop import Outcome


def seconds_left(
    lacking: Mapping[str, int], outcomes: Mapping[str, Mapping[int, Outcome]], workers: int
) -> float | None:
    """Seconds for the episodes that lack, by row; None while no episode has been timed.

    An episode takes what those of its row took, the earlier call's too; in a row without any, what the others took.
    """
    means: dict[str, float] = {}
    for row, done in outcomes.items():
        timed = [outcome.seconds for outcome in done.values() if outcome.seconds > 0]
        if timed:
            means[row] = sum(timed) / len(timed)
    if not means:
        return None
    usual = sum(means.values()) / len(means)
    work = sum(count * means.get(row, usual) for row, count in lacking.items())
    return work / max(1, min(workers, sum(lacking.values())))
