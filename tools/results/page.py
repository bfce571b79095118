"""What docs/results.md is told of the comparisons."""

from collections.abc import Mapping, Sequence
from typing import Any

from forearm.agent.guided import PRIOR
from forearm.agent.setup import NONE
from forearm.evaluation.statistics import wilson
from tools.render.figures import Measured
from tools.results.cells import CELLS, HEADLINE, Cell

CONTENDERS = ("learned", PRIOR, "oracle", "random", "hold", "expert")
"""In the order of the page's columns."""


def context(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The cells that were measured, by protocol, and every comparison behind them."""
    protocols: dict[str, list[dict[str, Any]]] = {}
    comparisons: list[Measured] = []
    for cell in CELLS:
        if cell.name in measured:
            parts = [measured[name] for name in cell.parts if name in measured]
            protocols.setdefault(cell.protocol, []).append(_row(cell, parts))
            comparisons += parts
    return {"protocols": protocols, "comparisons": comparisons}


def headline(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The rows of the README's table: each task's best known planner beside its floors and its ceiling."""
    rows = []
    for cell in HEADLINE:
        if cell.name in measured:
            row = _row(cell, [measured[name] for name in cell.parts if name in measured])
            prior = measured.get(f"{cell.name}-prior")
            rows.append(row | {"guided": _row(cell, [prior])["learned"] if prior else ""})
    return {"rows": rows}


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
            "solved_at_start": {key: start[key] for key in ("solved", "drawn")},
        },
    }


def _row(cell: Cell, parts: list[Measured]) -> dict[str, Any]:
    """Texts by contender; of a later part, which is of one contender alone, counts what it has of it."""
    main = parts[0]["figures"]
    successes = {name: found for part in parts for name, found in part["figures"]["successes"].items()}
    usual = next(iter(main["successes"].values()))[1]
    texts = {name: _success(successes[name], usual) if name in successes else "" for name in CONTENDERS}
    return {"title": cell.title, "protocol": cell.protocol, **texts, "start": main["solved_at_start"]}


def _contender(row: Mapping[str, Any]) -> str:
    return str(row["dynamics"] if row["dynamics"] != NONE and row["planner"] != PRIOR else row["planner"])


def _success(found: Sequence[int], usual: int) -> str:
    """`97 [92, 99]` in per cent, with the number of episodes where it is not the `usual` one."""
    successes, episodes = found
    low, high = wilson(successes, episodes)
    count = "" if episodes == usual else f", n = {episodes}"
    return f"{100 * successes / episodes:.0f} [{100 * low:.0f}, {100 * high:.0f}{count}]"
