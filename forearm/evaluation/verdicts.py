"""What the rows of a table say together: tests of pairs, what could have been shown, and rates over several tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from forearm.agent.guided import PRIOR
from forearm.evaluation.bootstrap import improvement, mean_difference, rates_over_tasks
from forearm.evaluation.power import POWER, detectable
from forearm.evaluation.statistics import MCNEMAR, Pair, compare_pairs


def judged(rows: Sequence[Mapping[str, Any]], alpha: float, confidence: float) -> dict[str, Any]:
    """What the rows of a table say together: `pairs`, `detectable` and `across`, as docs/results_json.md has them.

    Rows are paired by the hashes of their episodes; those that share none are on different ones.
    """
    chosen = [(one, other) for one, other in combinations(rows, 2) if _are_tested(one, other)]
    common = [_common(one, other) for one, other in chosen]
    tested = [
        (one["task"], one["name"], other["name"], _solved(one, shared), _solved(other, shared, 1))
        for (one, other), shared in zip(chosen, common, strict=True)
    ]
    unpaired = [place for place, shared in enumerate(common) if shared is None]
    found = compare_pairs(tested, alpha, unpaired)
    pairs = [
        {**asdict(pair), "n": list(pair.n), **_differences(one, other, shared, confidence)}
        for pair, (one, other), shared in zip(found, chosen, common, strict=True)
    ]
    return {"pairs": pairs, "detectable": _detectable(found, alpha), "across": _across(rows, confidence)}


def _are_tested(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a pair is, in this order: two searches, or a search and the prior beside its world model, whether it
    draws from that or not; under the same variation, or one as it is and the same varied.
    """
    if one["task"] != other["task"] or not one["searches"]:
        return False
    if one.get("vary") != other.get("vary"):
        return "vary" not in one and _unvaried(one["settings"]) == _unvaried(other["settings"])
    # A search without a prior stands on fewer parts than the prior does, one that draws from it on as many or more.
    search, others = _parts(one), _parts(other)
    return bool(other["searches"] or (other["planner"] == PRIOR and (search <= others or others <= search)))


def _parts(row: Mapping[str, Any]) -> set[str]:
    """Hashes of the model and of what stands beside it; a search may need sub-goals where its prior needs none."""
    return set((row["checkpoint"] or "").split("+"))


def _unvaried(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in ("vary", "goal_varies")}


def _common(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[int, int]] | None:
    """Places of the same episode in both rows; None where they share none."""
    places = {outcome["sha256"]: place for place, outcome in enumerate(other["outcomes"])}
    found = [
        (place, places[outcome["sha256"]])
        for place, outcome in enumerate(one["outcomes"])
        if outcome["sha256"] in places
    ]
    return found or None


def _solved(row: Mapping[str, Any], shared: Sequence[tuple[int, int]] | None, side: int = 0) -> list[bool]:
    places = range(len(row["outcomes"])) if shared is None else [pair[side] for pair in shared]
    return [bool(row["outcomes"][place]["success"]) for place in places]


def _differences(
    one: Mapping[str, Any], other: Mapping[str, Any], shared: Sequence[tuple[int, int]] | None, confidence: float
) -> dict[str, Any]:
    """By how much final distances and the times of a plan differ on the episodes that both rows have."""
    if shared is None:
        return {"final_distance_m": None, "plan_ms": None}
    far = [_at(row, shared, side) for side, row in enumerate((one, other))]
    times = None
    # How long a plan takes on one machine says nothing of another.
    if one.get("file") == other.get("file") and one["plan_ms"]["episodes"] and other["plan_ms"]["episodes"]:
        means = [_times(row, shared, side) for side, row in enumerate((one, other))]
        times = mean_difference(means[0], means[1], confidence)
    return {"final_distance_m": mean_difference(far[0], far[1], confidence), "plan_ms": times}


def _at(row: Mapping[str, Any], shared: Sequence[tuple[int, int]], side: int) -> list[float]:
    """Final distances, infinite of what diverged."""
    from forearm.planner.plan_json import or_infinite

    return [or_infinite(row["outcomes"][pair[side]]["final_distance_m"]) for pair in shared]


def _times(row: Mapping[str, Any], shared: Sequence[tuple[int, int]], side: int) -> list[float]:
    """Mean ms of a plan in each episode."""
    return [float(np.mean(row["plan_ms"]["episodes"][pair[side]] or [np.nan])) for pair in shared]


def _detectable(pairs: Sequence[Pair], alpha: float) -> dict[str, Any]:
    """The least difference that each task's paired tests could have shown."""
    found: dict[str, Any] = {}
    for task in dict.fromkeys(pair.task for pair in pairs if pair.test == MCNEMAR):
        n = min(pair.n[0] for pair in pairs if pair.task == task and pair.test == MCNEMAR)
        level = alpha / len(pairs)
        found[task] = {"n": n, "alpha": level, "power": POWER, "difference": detectable(n, level)}
    return found


def _across(rows: Sequence[Mapping[str, Any]], confidence: float) -> dict[str, Any] | None:
    """What rows that every task has say over all tasks; None of one task alone."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    if len(tasks) < 2:
        return None
    by_name: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], {})[row["task"]] = row
    everywhere = {name: [found[task] for task in tasks] for name, found in by_name.items() if len(found) == len(tasks)}
    solved = {name: [np.asarray(_solved(row, None)) for row in found] for name, found in everywhere.items()}
    return {
        "tasks": tasks,
        "rows": [{"name": name, **rates_over_tasks(of, confidence)} for name, of in solved.items()],
        "pairs": [
            {"a": a, "b": b, **improvement(solved[a], solved[b], confidence)}
            for a, b in combinations(solved, 2)
            if all(_are_tested(one, other) for one, other in zip(everywhere[a], everywhere[b], strict=True))
        ],
    }
