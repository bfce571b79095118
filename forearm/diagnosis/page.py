"""A diagnosis to look at: tables for a terminal of 80 columns, and a picture."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType

from forearm.common.files import replacing
from forearm.evaluation.table import NOTHING, plain_table

TITLES = {"positions": "true positions", "probe": "probe of positions", "latent": "latent cost"}
INK, TRUE_COLOUR, LEARNED_COLOUR = "#333333", "#3a7d44", "#b5542c"


def tables(document: Mapping[str, Any]) -> Iterable[RenderableType]:
    """The cells, then what else was found, then the verdict."""
    cells = plain_table(f"{document['task']}, {document['planner']['name']}: success by dynamics and cost")
    for heading in ("dynamics", "cost"):
        cells.add_column(heading, no_wrap=True)
    for heading in ("solved", "success %", "final cm"):
        cells.add_column(heading, justify="right", no_wrap=True)
    for cell in document["cells"]:
        low, high = cell["ci95"]
        rate = f"{100 * cell['solved'] / cell['episodes']:.0f} [{100 * low:.0f}, {100 * high:.0f}]"
        of = f"{cell['solved']} of {cell['episodes']}"
        cells.add_row(cell["dynamics"], TITLES[cell["cost"]], of, rate, f"{100 * cell['final_distance_m']:.1f}")
    yield cells
    figures = plain_table("evidence")
    figures.add_column("what", no_wrap=False)
    figures.add_column("found", justify="right", no_wrap=True)
    for what, found in _evidence(document):
        figures.add_row(what, found)
    yield figures
    yield f"verdict: {document['verdict']['sentence']}"


def _evidence(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for where, said in (("explorer", "where the explorer goes"), ("candidates", "where searched candidates lead")):
        for thing, error in document["probe_m"][where].items():
            yield f"probe of {thing}, {said}", f"{1000 * error:.0f} mm"
    coverage, selection = document["coverage"], document["selection"]
    near = f"{100 * coverage['nearer_m']:g} cm nearer"
    yield f"coverage: plans with a candidate that succeeds ({coverage['plans']} plans)", _percent(coverage["solved"])
    yield f"coverage: plans with a candidate that ends {near}", _percent(coverage["nearer"])
    yield f"selection: plans whose chosen candidate ends {near}", _percent(coverage["chosen_nearer"])
    yield "selection: regret of the chosen candidate", _number(selection["regret_m"], 1000, "mm")
    yield "selection: rank correlation, all candidates", _number(selection["spearman"])
    yield "selection: rank correlation, elites of the last iteration", _number(selection["spearman_elites"])
    yield "prediction: optimism of the chosen candidate (std of costs)", _number(document["prediction"]["optimism"])
    yield "range: control steps up to which commands are ranked", str(document["range"]["range_steps"])
    goal = document["goal_steps"]
    yield (
        f"the expert needs, in control steps (horizon {document['horizon']})",
        NOTHING if goal is None else f"{goal:g}",
    )


def save_picture(path: Path, document: Mapping[str, Any]) -> None:
    """Write the picture as a PNG, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{document['task']}, {document['planner']['name']}: {document['verdict']['sentence']}", color=INK, fontsize=12
    )
    cells, selection, ahead, along = figure.subplots(2, 2).flat
    _draw_cells(cells, document["cells"])
    _draw_iterations(selection, document["selection"])
    _draw_range(ahead, document)
    _draw_prediction(along, document["prediction"])
    for axes in (cells, selection, ahead, along):
        axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_cells(axes: Any, cells: Any) -> None:
    rates = np.array([100 * cell["solved"] / cell["episodes"] for cell in cells])
    bounds = 100 * np.array([cell["ci95"] for cell in cells])
    colours = [TRUE_COLOUR if cell["dynamics"] == "true" else LEARNED_COLOUR for cell in cells]
    at = np.arange(len(cells))[::-1]
    axes.barh(at, rates, color=colours, height=0.65)
    spread = np.abs(bounds.T - rates)
    axes.errorbar(rates, at, xerr=spread, fmt="none", ecolor=INK, capsize=3)
    axes.set_yticks(at, [f"{cell['dynamics']} dynamics,\n{TITLES[cell['cost']]}" for cell in cells], fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_xlabel("success %, 95 % interval")
    axes.set_title("the same search, led by …", fontsize=10)


def _draw_iterations(axes: Any, selection: Mapping[str, Any]) -> None:
    values = [np.nan if v is None else v for v in selection["spearman_iterations"]]
    labels = [f"iteration {i + 1}" for i in range(len(values))]
    elites = selection["spearman_elites"]
    axes.bar([*labels, "elites"], [*values, np.nan if elites is None else elites], color=LEARNED_COLOUR, width=0.6)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylim(-1, 1)
    axes.set_ylabel("rank correlation")
    axes.tick_params(axis="x", labelsize=8)
    axes.set_title("predicted cost against cost carried out", fontsize=10)


def _draw_range(axes: Any, document: Mapping[str, Any]) -> None:
    found = document["range"]
    steps, mean, low, high = (
        np.array([np.nan if v is None else v for v in found[key]]) for key in ("steps", "spearman", "low", "high")
    )
    axes.fill_between(steps, low, high, color=LEARNED_COLOUR, alpha=0.2, linewidth=0)
    axes.plot(steps, mean, color=LEARNED_COLOUR, marker="o", markersize=3)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.axvline(document["horizon"], color=INK, linestyle=":", linewidth=1)
    axes.annotate("horizon", (document["horizon"], 0.95), fontsize=8, ha="left", color=INK)
    axes.set_ylim(-0.3, 1.05)
    axes.set_xlabel("control steps ahead of the target")
    axes.set_ylabel("rank correlation")
    axes.set_title("how far ahead commands are ranked", fontsize=10)


def _draw_prediction(axes: Any, prediction: Mapping[str, Any]) -> None:
    for key, colour in (("predicted", LEARNED_COLOUR), ("realised", TRUE_COLOUR)):
        values = [np.nan if v is None else v for v in prediction[key]]
        axes.plot(range(1, len(values) + 1), values, color=colour, marker="o", markersize=3, label=key)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("latent steps ahead")
    axes.set_ylabel("the task's own cost")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("the chosen candidate, as predicted and as it came", fontsize=10)


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.0f} %"


def _number(value: float | None, scale: float = 1.0, unit: str = "") -> str:
    return NOTHING if value is None else f"{scale * value:.{0 if unit else 2}f} {unit}".strip()
