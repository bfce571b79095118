"""What docs/results.md is told of the comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from forearm.agent.guided import PRIOR
from forearm.agent.setup import NONE
from forearm.evaluation.statistics import wilson
from tools.render.figures import Measured
from tools.results.cells import BEFORE, CELLS, CHOSEN_ON, HEADLINE, SEEDS, Cell, WithPrior

CONTENDERS = ("learned", PRIOR, "oracle", "random", "hold", "expert")
"""In the order of the page's columns."""


def context(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The cells that were measured, by protocol, every comparison behind them, and which seeds chose and report."""
    protocols: dict[str, list[dict[str, Any]]] = {}
    comparisons: list[Measured] = []
    for cell in CELLS:
        if groups := _groups(cell, measured):
            protocols.setdefault(cell.protocol, []).append(_row(cell, groups))
            comparisons += [part for parts in groups.values() for part in parts]
    return {"protocols": protocols, "comparisons": comparisons, "chosen_on": CHOSEN_ON, "seeds": SEEDS}


def headline(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The rows of the README's table: each task's best known planner beside its floors and its ceiling."""
    rows = []
    for cell in HEADLINE:
        if groups := _groups(cell, measured):
            guided = WithPrior(cell.task, cell.protocol)
            its = _groups(guided, measured)
            rows.append(_row(cell, groups) | {"guided": _row(guided, its)["learned"] if its else ""})
    return {"rows": rows}


def _groups(cell: Cell, measured: Mapping[str, Measured]) -> dict[int, list[Measured]]:
    """The comparisons that a row is made of, by the seed of their episodes: fresh ones, or else one that chose.

    A ceiling that was not measured on the fresh ones is that of before: no model of ours is in it that was chosen.
    """
    found: dict[int, list[Measured]] = {}
    for seed in (*SEEDS, None):
        one = replace(cell, seed=seed)
        if one.name in measured and not (seed is None and found):
            found[BEFORE if seed is None else seed] = [measured[name] for name in one.parts if name in measured]
    if found and BEFORE not in found and (ceiling := cell.ceiling) is not None:
        anew = any(replace(ceiling, seed=seed).name in measured for seed in found)
        if not anew and ceiling.name in measured:
            next(iter(found.values())).append(measured[ceiling.name])
    return found


def figures(document: Mapping[str, Any]) -> Measured:
    """What is kept of the results.json of a comparison; the single episodes are in that file alone."""
    [(_, start)] = document["solved_at_start"].items()
    rows = document["rows"]
    return {
        "command": document["command"],
        "date": document["created"][:10],
        "machine": document["machine"],
        "manifest_sha256": document["manifest_sha256"],
        "checkpoints": sorted({row["checkpoint"] for row in rows if row.get("checkpoint")}),
        "figures": {
            "successes": {_contender(row): [row["successes"], row["episodes"]] for row in rows},
            "held": {_contender(row): [row["held"]["successes"], row["episodes"]] for row in rows if row.get("held")},
            "solved_at_start": {key: start[key] for key in ("solved", "drawn")},
        },
    }


def _row(cell: Cell, groups: Mapping[int, list[Measured]]) -> dict[str, Any]:
    """Texts by contender, over all seeds; of a later part, which is of one contender, counts what it has of it."""
    counts, held = _counted(groups, "successes"), _counted(groups, "held")
    start = {"solved": 0, "drawn": 0}
    for parts in groups.values():
        start = {key: count + parts[0]["figures"]["solved_at_start"][key] for key, count in start.items()}
    usual = counts[next(iter(next(iter(groups.values()))[0]["figures"]["successes"]))][1]
    texts = {name: _success(counts[name], usual) if name in counts else "" for name in CONTENDERS}
    return {
        "title": cell.title,
        "protocol": cell.protocol,
        **texts,
        "held": _success(held["learned"], usual) if "learned" in held else "",
        "start": start,
        "seeds": ", ".join(map(str, groups)),
    }


def _counted(groups: Mapping[int, list[Measured]], what: str) -> dict[str, list[int]]:
    """How often, and in how many episodes of all seeds, by contender; older measurements know nothing `held`."""
    counts: dict[str, list[int]] = {}
    for parts in groups.values():
        of_seed = {name: found for part in parts for name, found in part["figures"].get(what, {}).items()}
        for name, found in of_seed.items():
            counts[name] = [a + b for a, b in zip(counts.get(name, [0, 0]), found, strict=True)]
    return counts


def _contender(row: Mapping[str, Any]) -> str:
    return str(row["dynamics"] if row["dynamics"] != NONE and row["planner"] != PRIOR else row["planner"])


def _success(found: Sequence[int], usual: int) -> str:
    """`97 [92, 99]` in per cent, with the number of episodes where it is not the `usual` one."""
    successes, episodes = found
    low, high = wilson(successes, episodes)
    count = "" if episodes == usual else f", n = {episodes}"
    return f"{100 * successes / episodes:.0f} [{100 * low:.0f}, {100 * high:.0f}{count}]"
