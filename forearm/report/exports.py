"""A comparison's table for other programs and for papers: CSV, LaTeX and Markdown."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from forearm.report.rows import Row, Share, pairs_of, rows_of, tasks_of

NOTHING = "--"
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "[": "{[}", "]": "{]}",
    "\u2265": r"$\geq$", "\u2264": r"$\leq$", "\u2192": r"$\to$", "\u2212": "$-$",
    "\u03bb": r"$\lambda$", "\u03c3": r"$\sigma$",
}  # fmt: skip
"""What LaTeX would take for something else; a bracket after a line's end would be its argument."""
_BREAK = r"\allowbreak{}"
_PARTING = "=/_&"
HEADINGS = ("row", "success %", "95 % interval", "first touch %", "held at end %", "n", "final cm", "steps",
            "plan ms, p50", "p95", "evaluations")  # fmt: skip


_LATEX_HEADINGS = ("row", "%", "95 %", "touch", "held", "n", "cm", "steps", "p50", "p95", "evals")
"""The same, as narrow as a page asks for; the caption tells what they are."""
_LATEX_CAPTION = (
    ": success in % with its 95 % interval, first touch and held at the end in %, episodes, final distance in cm, "
    "steps, planning time in ms, the model's evaluations in a plan"
)
_WIDE = 22
"""Letters of a row's name from which on it is set in lines."""


def as_csv(document: Mapping[str, Any]) -> str:
    """A line for each row, in full precision: shares between 0 and 1, distances in m, times in ms."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    shares = [f"{name}{end}" for name in ("success", "touched", "held") for end in ("", "_low", "_high")]
    writer.writerow(
        ["task", "row", "planner", "dynamics", "role", "checkpoint", "episodes", *shares, "final_distance_m", "steps",
         "plan_ms_p50", "plan_ms_p90", "plan_ms_p95", "plan_ms_p99", "plan_ms_max", "model_evals_per_plan",
         "varied", "strength"]
    )  # fmt: skip
    for row in rows_of(document):
        bounds = [x for share in (row.success, row.touched, row.held) for x in _fractions(share)]
        far = None if row.final_cm is None else row.final_cm / 100
        about = [row.task, row.name, row.planner, row.dynamics, row.role, row.checkpoint, row.episodes]
        times = [row.plan_ms.get(p) for p in (50, 90, 95, 99, 100)]
        writer.writerow(
            [*about, *bounds, far, row.steps, *times, row.evaluations or None, *(row.variation or (None, None))]
        )
    return out.getvalue()


def as_latex(document: Mapping[str, Any]) -> str:
    """A table of `booktabs` for each task, and one of its paired tests."""
    rows, parts = rows_of(document), [f"% {_comment(document)}", r"% needs \usepackage{booktabs}"]
    for task in tasks_of(rows):
        lines = [_texts(row) for row in rows if row.task == task]
        name = "l" if max(len(row) for row, *_ in lines) <= _WIDE else _lines_of(0.3)
        columns = name + "r" * (len(HEADINGS) - 1)
        parts.append(_booktabs(f"Task {task}{_LATEX_CAPTION}", _LATEX_HEADINGS, columns, lines))
        if pairs := _pairs(document, task):
            columns = f"{_lines_of(0.2)}{_lines_of(0.2)}rrr{_lines_of(0.22)}"
            parts.append(_booktabs(f"Paired tests of task {task}", PAIR_HEADINGS, columns, pairs))
    return "\n".join(parts)


def as_markdown(document: Mapping[str, Any]) -> str:
    """A table for each task, and one of its paired tests."""
    rows, parts = rows_of(document), []
    for task in tasks_of(rows):
        lines = [_texts(row) for row in rows if row.task == task]
        parts.append(_table(f"**{_markdown(task)}**", HEADINGS, [":--"] + ["--:"] * (len(HEADINGS) - 1), lines))
        if pairs := _pairs(document, task):
            parts.append(_table("Paired tests", PAIR_HEADINGS, [":--", ":--", "--:", "--:", "--:", ":--"], pairs))
    return "\n".join([*parts, f"*{_markdown(_comment(document))}*", ""])


PAIR_HEADINGS = ("a", "b", "only a", "only b", "p, Holm", "verdict")
FORMATS = {"csv": (".csv", as_csv), "latex": (".tex", as_latex), "markdown": (".md", as_markdown)}
"""Suffix of the file, and what writes it."""


def _texts(row: Row) -> list[str]:
    """A row's cells, as `HEADINGS` say."""

    def told(value: float | None, pattern: str = ".0f") -> str:
        return NOTHING if value is None else format(value, pattern)

    return [
        row.name,
        told(row.success.value),
        f"[{row.success.low:.0f}, {row.success.high:.0f}]",
        told(row.touched.value if row.touched else None),
        told(row.held.value if row.held else None),
        str(row.episodes),
        told(row.final_cm, ".1f"),
        told(row.steps),
        told(row.plan_ms.get(50)),
        told(row.plan_ms.get(95)),
        told(row.evaluations or None),
    ]


def _pairs(document: Mapping[str, Any], task: str) -> list[list[str]]:
    return [
        [pair["a"], pair["b"], str(pair["only_a"]), str(pair["only_b"]), f"{pair['p_holm']:.3g}", pair["said"]]
        for pair in pairs_of(document, task)
    ]


def _comment(document: Mapping[str, Any]) -> str:
    """Where the figures come from, on one line."""
    about = [f"forearm {document.get('version', '')}", f"protocol {document.get('protocol', '')}"]
    about += [f"seed {document.get('seed', '')}", str(document.get("created", "")), str(document.get("command") or "")]
    return " ".join(", ".join(part for part in about if part).split())


def _fractions(share: Share | None) -> tuple[float | None, ...]:
    if share is None:
        return None, None, None
    return tuple(round(x / 100, 6) for x in (share.value, share.low, share.high))


def _lines_of(share: float) -> str:
    """A column of that share of the page's width, whose text is set in as many lines as it takes."""
    return rf"p{{{share}\linewidth}}"


def _booktabs(caption: str, headings: Sequence[str], columns: str, lines: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(_latex, cells)) + r" \\"

    body = "\n".join(map(line, lines))
    return (
        f"\\begin{{table}}\n\\centering\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{3pt}}\n\\caption{{{_latex(caption)}}}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n"
        f"{line(headings)}\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _table(title: str, headings: Sequence[str], sides: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    body = "\n".join(line([_markdown(cell) for cell in cells]) for cells in lines)
    return f"{title}\n\n{line(headings)}\n{line(sides)}\n{body}\n"


def _latex(text: str) -> str:
    """The text as LaTeX sets it; a word may end in a line after what parts the words of a setting or a path."""
    told = (_LATEX.get(letter, letter) + _BREAK * (letter in _PARTING) for letter in " ".join(str(text).split()))
    return "".join(told)


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(str(text).split()))
