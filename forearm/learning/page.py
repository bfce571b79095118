"""What came of a learning, to look at: a line, a table, and a curve."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from forearm.common.files import replacing
from forearm.evaluation.table import NOTHING, plain_table
from forearm.learning.settings import MINUTES

INK, LINE = "#333333", "#3a7d44"


def line(made: Mapping[str, Any], unit: str) -> str:
    """One stage for people."""
    error = f"held-out error {made['error']:.3g} (copy last: {made['copy_last']:.3g})"
    solved = f"{made['successes']} of {made['episodes']} solved ({_rate(made)}), " if "successes" in made else ""
    return f"{_when(made, unit)}: {solved}{error}"


def table(document: Mapping[str, Any]) -> Table:
    """All stages."""
    found = plain_table(f"{document['task']}: learning")
    for heading in (document["unit"], "films", "solved", "success %", "held-out error", "copy last"):
        found.add_column(heading, justify="right", no_wrap=True)
    for made in document["stages"]:
        measured = "successes" in made
        solved = (f"{made['successes']} of {made['episodes']}", _rate(made)) if measured else (NOTHING, NOTHING)
        films = str(made["films"]) if made["films"] else NOTHING
        errors = f"{made['error']:.3g}", f"{made['copy_last']:.3g}"
        found.add_row(f"{_at(made, document['unit']):.4g}", films, *solved, *errors)
    return found


def save_curve(path: Path, document: Mapping[str, Any]) -> None:
    """Write success over minutes or steps as a PNG, whole or not at all; where nothing was measured, the error."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measured = [made for made in document["stages"] if "successes" in made]
    stages, unit = measured or document["stages"], document["unit"]
    at = np.array([_at(made, unit) for made in stages])
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if measured:
        rates = np.array([100 * made["successes"] / made["episodes"] for made in stages])
        bounds = 100 * np.array([made["ci95"] for made in stages]).T
        axes.errorbar(at, rates, yerr=np.abs(bounds - rates), fmt="o-", color=LINE, ecolor=INK, capsize=3, linewidth=1)
        axes.set_ylim(0, 100)
        axes.set_ylabel("success %, 95 % interval")
    else:
        axes.plot(at, [made["error"] / made["copy_last"] for made in stages], "o-", color=LINE)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("held-out error, as a share of copying the last frame")
    axes.set_xlim(left=0)
    axes.set_xlabel("minutes, measuring included" if unit == MINUTES else "steps of training")
    axes.set_title(str(document["task"]), fontsize=11, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _at(made: Mapping[str, Any], unit: str) -> float:
    return float(made["minutes" if unit == MINUTES else "steps"])


def _when(made: Mapping[str, Any], unit: str) -> str:
    return f"after {made['minutes']:.1f} minutes" if unit == MINUTES else f"after {made['steps']:.0f} steps"


def _rate(made: Mapping[str, Any]) -> str:
    low, high = made["ci95"]
    return f"{100 * made['successes'] / made['episodes']:.0f} [{100 * low:.0f}, {100 * high:.0f}]"
