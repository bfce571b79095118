"""Success against the strength of what is otherwise: a curve for each row and factor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forearm.common.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#333333"
COLUMNS = 4

Curve = list[tuple[float, Mapping[str, Any]]]
"""Rows of results by the strength of one factor, in order."""


def curves(document: Mapping[str, Any]) -> dict[str, dict[str, Curve]]:
    """By factor, and by the label of the row at which nothing is otherwise: the rows of a results document."""
    from forearm.envs.variation.factors import FACTORS

    plain = {row["label"]: row for row in document["rows"] if not row.get("vary")}
    found: dict[str, dict[str, Curve]] = {}
    for row in document["rows"]:
        if not (vary := row.get("vary")):
            continue
        factor = vary["factor"]
        name = _plain_label(row["label"], factor)
        begun = [(FACTORS[factor].nominal, plain[name])] if name in plain else []
        found.setdefault(factor, {}).setdefault(name, begun).append((vary["strength"], row))
    return {
        factor: {name: sorted(curve, key=lambda point: point[0]) for name, curve in of_rows.items()}
        for factor, of_rows in found.items()
    }


def save_curves(path: Path, document: Mapping[str, Any]) -> bool:
    """Draw them as a PNG, whole or not at all; False, and nothing drawn, where nothing was varied."""
    found = curves(document)
    if not found:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(found))
    lines = -(-len(found) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * lines + 0.4), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    names = list(dict.fromkeys(name for of_rows in found.values() for name in of_rows))
    for panel, (factor, of_rows) in zip(panels, found.items(), strict=False):
        _draw(panel, factor, of_rows, names)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    for index, name in enumerate(names):
        panels[0].plot([], [], f"C{index}", label=name)
    figure.legend(fontsize=7, loc="outside upper left", ncols=3, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return True


def _draw(panel: "Axes", factor: str, of_rows: Mapping[str, Curve], names: Sequence[str]) -> None:
    from forearm.envs.variation.factors import FACTORS

    for name, curve in of_rows.items():
        strengths = [strength for strength, _ in curve]
        rates = [100 * row["success"] for _, row in curve]
        colour = f"C{names.index(name)}"
        panel.errorbar(strengths, rates, yerr=_bars(curve, rates), marker="o", ms=3, lw=1.2, capsize=2, color=colour)
    panel.axvline(FACTORS[factor].nominal, color=INK, lw=0.6, ls=":")
    panel.set_ylim(-3, 103)
    panel.set_title(factor, fontsize=9, color=INK)
    panel.set_xlabel(FACTORS[factor].strength, fontsize=7, wrap=True)
    panel.set_ylabel("success %", fontsize=7)
    panel.locator_params(axis="x", nbins=5)
    panel.tick_params(labelsize=7)
    panel.grid(alpha=0.2)


def _bars(curve: Curve, rates: Sequence[float]) -> list[list[float]]:
    """How far the intervals reach below and above the rates."""
    bounds = [(100 * row["ci95"][0], 100 * row["ci95"][1]) for _, row in curve]
    below = [max(0.0, rate - low) for rate, (low, _) in zip(rates, bounds, strict=True)]
    above = [max(0.0, high - rate) for rate, (_, high) in zip(rates, bounds, strict=True)]
    return [below, above]


def _plain_label(label: str, factor: str) -> str:
    """The label of a varied row without the word that says how."""
    return " ".join(word for word in label.split(" ") if not word.startswith(f"{factor}="))
