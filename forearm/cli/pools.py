"""`forearm pools`: candidates of a planner's plans, carried out, of which a ranking and a gate's margin are learned."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from forearm import envs
from forearm.cli.one_planner import comparison_of, one_of
from forearm.cli.progress import bars
from forearm.common.addresses import told
from forearm.common.parallel import default_workers
from forearm.diagnosis.drawing import draw_pools
from forearm.evaluation.table import print_whole
from forearm.settings import compose as settings


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("pools", overrides)
    task, planner = one_of(chosen)
    task["guided"] = {**(task.get("guided") or {}), "gate": None}  # what the search chooses is carried out
    comparison = comparison_of(chosen, task, planner, overrides)
    envs.working_backend()  # found once here, not once in every worker
    console = Console()
    with bars(console, transient=True) as tell:
        document = draw_pools(comparison, chosen["plans"], chosen["pool"], chosen["workers"] or default_workers(), tell)
    print_whole(console, _table(document))
    console.print(f"pools: {told(comparison.out / 'pools.json')}", soft_wrap=True, highlight=False)
    return 0


def _table(document: Mapping[str, Any]) -> Table:
    """Mean costs by positions of what was carried out, and the margin of a gate."""
    table = Table(title=f"{document['pools']} pools of {document['candidates']} candidates", title_justify="left")
    table.add_column("carried out", no_wrap=True)
    table.add_column("cost by positions, mm", justify="right")
    rows = {
        "what the planner chose": "carried_out_m",
        "the cheapest as predicted": "cheapest_m",
        "the prior's own plan": "prior_m",
        "the best": "best_m",
    }
    for said, key in rows.items():
        if document[key] is not None:
            table.add_row(said, f"{1e3 * document[key]:.1f}")
    if (gate := document["gate"]) is not None:
        margin = gate["margin"] if isinstance(gate["margin"], str) else f"{gate['margin']:.4g}"
        table.add_row(f"task.guided.gate={margin}", "")
        table.add_row(
            f"... then overruled in {100 * gate['overruled']:.0f} %: nearer by", f"{1e3 * gate['nearer_m']:.1f}"
        )
        table.add_row("... exact paired p", f"{gate['p']:.2g}")
        table.add_row("always overruled: nearer by", f"{1e3 * gate['always_nearer_m']:.1f}")
    return table
