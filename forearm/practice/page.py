"""What came of the rounds of a practice, to look at: a line, a table, and a curve."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from forearm.common.files import replacing
from forearm.evaluation.table import NOTHING, plain_table

INK, KEPT, DROPPED = "#333333", "#3a7d44", "#b5542c"


def line(made: Mapping[str, Any], rounds: int) -> str:
    """One round for people."""
    rate = f"{made['successes']} of {made['episodes']} solved ({_rate(made)})"
    if made["before"] is None:
        return f"before practice: {rate}"
    judged = "kept" if made["kept"] else "not kept"
    return f"round {made['round']} of {rounds}: {rate}, {made['before']} before: {judged}"


def table(document: Mapping[str, Any]) -> Table:
    """All rounds."""
    found = plain_table(f"{document['task']}: rounds of practice, {document['rounds'][0]['episodes']} episodes each")
    found.add_column("round", justify="right", no_wrap=True)
    several = document["planners"] if len(document["planners"]) > 1 else []
    for heading in (*several, "solved", "success %", "before", "kept"):
        found.add_column(heading, justify="right", no_wrap=True)
    for made in document["rounds"]:
        before = NOTHING if made["before"] is None else str(made["before"])
        own = [str(made["planners"][name]) for name in several]
        kept = "yes" if made["kept"] else "no"
        found.add_row(str(made["round"]), *own, str(made["successes"]), _rate(made), before, kept)
    return found


def save_curve(path: Path, document: Mapping[str, Any]) -> None:
    """Write the curve of success over rounds as a PNG, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rounds = document["rounds"]
    numbers = np.array([made["round"] for made in rounds])
    rates = np.array([100 * made["successes"] / made["episodes"] for made in rounds])
    bounds = 100 * np.array([made["ci95"] for made in rounds]).T
    kept = np.array([made["kept"] for made in rounds])
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.errorbar(numbers, rates, yerr=np.abs(bounds - rates), fmt="none", ecolor=INK, capsize=3, linewidth=1)
    axes.plot(numbers, np.maximum.accumulate(rates), color=KEPT, drawstyle="steps-post", label="the checkpoint kept")
    axes.plot(numbers[kept], rates[kept], "o", color=KEPT, label="kept")
    axes.plot(numbers[~kept], rates[~kept], "o", color=DROPPED, markerfacecolor="white", label="not kept")
    axes.set_xticks(numbers)
    axes.set_ylim(0, 100)
    axes.set_xlabel("round of practice")
    axes.set_ylabel("success %, 95 % interval")
    axes.set_title(f"{document['task']}, {' and '.join(document['planners'])}", fontsize=11, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _rate(made: Mapping[str, Any]) -> str:
    low, high = made["ci95"]
    return f"{100 * made['successes'] / made['episodes']:.0f} [{100 * low:.0f}, {100 * high:.0f}]"
