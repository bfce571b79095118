"""docs/results.md, from the results of comparisons."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forearm.results.cells import CELLS, Cell
from forearm.rows import NONE, PRIOR

NOTHING = ""
HEADING = """# Results

Success in % with 95 % Wilson intervals, on held-out episodes, seen only through a 64-pixel camera and planned only in
latent space. Written by `make results` from what `forearm compare` measured; do not edit by hand.

- *world model*: the planner on the shipped checkpoint of the task; *prior alone*: where it draws candidates from a
  learned prior, what that does without a search; *true dynamics*: the same planner on the simulator itself, with an
  eighth of the evaluations, as one of its plans takes seconds; then a random policy, holding still, and the scripted
  expert, which looks inside the simulator.
- *solved at the start*: how many of the pairs of start and goal that were drawn met the criterion before the arm moved.
  `rest` and `strict` draw those again, the other protocols keep them, as their sources do: read a figure there against
  that of holding still.
- Protocols are described in the README, with their sources.
"""


def page(folder: Path) -> str:
    """The page of all comparisons that lie in `folder`."""
    lines = [HEADING]
    found = [(cell, document) for cell in CELLS if (document := _read(cell.folder)) is not None]
    for protocol in dict.fromkeys(cell.protocol for cell, _ in found):
        lines += [f"## `{protocol}`", ""]
        lines += ["| task | world model | prior alone | true dynamics | random | hold | expert | solved at the start |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        lines += [
            _row(cell, document, _read(cell.ceiling.folder)) for cell, document in found if cell.protocol == protocol
        ]
        lines.append("")
    lines += ["## How each was measured", ""]
    lines += ["| command | n | date | checkpoint | episodes' hash | versions |", "|---|---|---|---|---|---|"]
    for cell, document in found:
        lines.append(_provenance(document))
        if (ceiling := _read(cell.ceiling.folder)) is not None:
            lines.append(_provenance(ceiling))
    if found:
        about = found[0][1]["machine"]
        lines += ["", f"All on {about['processor']}, {about['cores']} cores, {about['system']}."]
    return "\n".join(lines) + "\n"


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _row(cell: Cell, document: Mapping[str, Any], ceiling: Mapping[str, Any] | None) -> str:
    rows = {_column(row): row for row in document["rows"]}
    if ceiling is not None:
        rows |= {row["dynamics"]: row for row in ceiling["rows"]}
    usual = document["rows"][0]["episodes"]
    cells = [_success(rows.get(key), usual) for key in ("learned", PRIOR, "oracle", "random", "hold", "expert")]
    start = document["solved_at_start"][cell.task]
    cells[0] = f"**{cells[0]}**" if cells[0] else cells[0]
    return f"| `{cell.task}` | {' | '.join(cells)} | {start['solved']} of {start['drawn']} |"


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
    cells = [f"`{document['command']}`", str(count), document["created"][:10], ", ".join(hashes)]
    return "| " + " | ".join([*cells, document["manifest_sha256"][:8], versions]) + " |"
