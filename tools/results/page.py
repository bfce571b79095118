"""docs/results.md, from the results of comparisons."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forearm.agent.guided import PRIOR
from forearm.agent.setup import NONE
from tools.results.cells import CELLS, Cell

NOTHING = ""
COLUMNS = ("task", "world model", "prior alone", "true dynamics", "random", "hold", "expert", "solved at the start")
PROVENANCE = "## How each was measured"
HEADING = """# Results

Success in % with 95 % Wilson intervals, on held-out episodes, seen only through a camera of 64 or 128 pixels (the
tasks' configs say which) and planned only in latent space; the models of the cube and of `pick_place` are told the
arm's joint readings as well, of now, not of the goal.
Written by `make results` from what `forearm compare` measured; do not edit by hand.

- *world model*: the planner on the shipped checkpoint of the task: CEM, or *with its prior* the one that its command
  names; *prior alone*: where candidates are drawn from a learned prior, what that does without a search; *true
  dynamics*: CEM on the simulator itself, with an eighth of the evaluations, as one of its plans takes seconds; then a
  random policy, holding still, and the scripted expert, which looks inside the simulator.
- *solved at the start*: how many of the pairs of start and goal that were drawn met the criterion before the arm moved.
  `rest` and `strict` draw those again, the other protocols keep them, as their sources do: read a figure there against
  that of holding still.
- Protocols are described in the README, with their sources.
"""


def page(folder: Path, before: str = "") -> str:
    """The page of all comparisons that lie in `folder`, with the rows of the page `before` for those that do not."""
    rows, told = _kept(before)
    lines = [HEADING]
    for cell in CELLS:
        if (document := _read(cell.folder)) is not None:
            ceiling = None if cell.ceiling is None else _read(cell.ceiling.folder)
            old = rows.get((cell.protocol, cell.title), {})
            rows[cell.protocol, cell.title] = _row(cell, document, ceiling) | _ceiling_kept(old, ceiling)
            told[str(cell.folder)] = _provenance(document)
            told.pop(_apart(cell), None)
            if cell.ceiling is not None and ceiling is not None:
                told[str(cell.ceiling.folder)] = _provenance(ceiling)
    known = [cell for cell in CELLS if (cell.protocol, cell.title) in rows]
    for protocol in dict.fromkeys(cell.protocol for cell in known):
        lines += [f"## `{protocol}`", "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        for cell in known:
            if cell.protocol == protocol:
                row = rows[protocol, cell.title]
                lines.append(f"| {' | '.join(row.get(column, NOTHING) for column in COLUMNS)} |")
        lines.append("")
    lines += [
        PROVENANCE,
        "",
        "| command | n | date | checkpoint | episodes' hash | versions | machine |",
        "|---" * 7 + "|",
    ]
    for cell in known:
        above = [] if cell.ceiling is None else [str(cell.ceiling.folder)]
        lines += [told[folder] for folder in (str(cell.folder), _apart(cell), *above) if folder in told]
    return "\n".join(lines) + "\n"


def _apart(cell: Cell) -> str:
    """Where holding still was measured apart, after the rest of a cell; whoever measures the cell measures it anew."""
    return f"{cell.folder}-hold"


def _kept(before: str) -> tuple[dict[tuple[str, str], dict[str, str]], dict[str, str]]:
    """Of a page: its rows by protocol and title, each by column, and its commands' lines by the folder they fill."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    told: dict[str, str] = {}
    results, _, commands = before.partition(PROVENANCE)
    protocol, columns = "", list[str]()
    for line in results.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("## "):
            protocol = line.removeprefix("## ").strip("`")
        elif line.startswith("| task"):
            columns = cells
        elif line.startswith("| `"):
            rows[protocol, cells[0]] = dict(zip(columns, cells, strict=False))
    for line in commands.splitlines():
        if found := re.search(r" out=([^ `]+)", line):
            told[found[1]] = line
    return rows, told


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _row(cell: Cell, document: Mapping[str, Any], ceiling: Mapping[str, Any] | None) -> dict[str, str]:
    rows = {_column(row): row for row in document["rows"]}
    if ceiling is not None:
        rows |= {row["dynamics"]: row for row in ceiling["rows"]}
    usual = document["rows"][0]["episodes"]
    keys = ("learned", PRIOR, "oracle", "random", "hold", "expert")
    cells = [_success(rows.get(key), usual) for key in keys]
    start = document["solved_at_start"][cell.task]
    cells[0] = f"**{cells[0]}**" if cells[0] else cells[0]
    return dict(zip(COLUMNS, [cell.title, *cells, f"{start['solved']} of {start['drawn']}"], strict=True))


def _ceiling_kept(old: Mapping[str, str], ceiling: Mapping[str, Any] | None) -> dict[str, str]:
    """The ceiling of the page before, where it was not measured again: the simulator is the same."""
    oracle = COLUMNS[3]
    return {oracle: old[oracle]} if ceiling is None and old.get(oracle) else {}


def _column(row: Mapping[str, Any]) -> str:
    return str(row["dynamics"] if row["dynamics"] != NONE and row["planner"] != PRIOR else row["planner"])


def _success(row: Mapping[str, Any] | None, usual: int) -> str:
    if row is None:
        return NOTHING
    low, high = row["ci95"]
    count = "" if row["episodes"] == usual else f", n = {row['episodes']}"
    return f"{100 * row['success']:.0f} [{100 * low:.0f}, {100 * high:.0f}{count}]"


def _provenance(document: Mapping[str, Any]) -> str:
    about, rows = document["machine"], document["rows"]
    hashes: Sequence[str] = sorted({row["checkpoint"][:8] for row in rows if row.get("checkpoint")})
    versions = f"torch {about['torch']}, mujoco {about['mujoco']}"
    count = max(row["episodes"] for row in rows)
    machine = f"{about['processor']}, {about['cores']} cores, {about['system']}"
    cells = [f"`{document['command']}`", str(count), document["created"][:10], ", ".join(hashes)]
    return "| " + " | ".join([*cells, document["manifest_sha256"][:8], versions, machine]) + " |"
