"""Results of several seeds in one table: the same rows, with the episodes of all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from forearm.errors import ForearmError
from forearm.evaluation.merging import OTHER_CODE, ROW, UNPAIRED, Document, check_alike, merged, moved, table_of
from forearm.evaluation.results import summary
from forearm.settings.words import written

Results = Sequence[tuple[Path, Document]]


def together(results: Results, out: Path, command: str | None = None, unpaired: bool = False) -> dict[str, Any]:
    """One table of the results in several files, as it would be written to `out`.

    Files of the same seeds are merged. Rows that are the same but for the seed hold the episodes of all seeds, so pairs
    are tested on the episodes of all. With `unpaired`, files are merged whatever their seeds.

    Raises:
        ForearmError: as `merged` does, or a row was not run for all seeds, or by other code, or one seed stands in two
            groups of seeds.
    """
    of_seeds: dict[tuple[int, ...], list[tuple[Path, Document]]] = {}
    for path, document in results:
        of_seeds.setdefault(tuple(document["seeds"]), []).append((path, document))
    if unpaired or len(of_seeds) == 1:
        return merged(results, out, command, unpaired)
    for (seeds, one), (more, other) in combinations(of_seeds.items(), 2):
        check_alike(*one[0], *other[0], other_episodes=True)
        if twice := sorted(set(seeds) & set(more)):
            raise ForearmError(f"{one[0][0]} and {other[0][0]} both hold seed {twice[0]}: leave one out")
    tables = [merged(group, out, command) for group in of_seeds.values()]
    rows = [{_same(row): row for row in table["rows"]} for table in tables]
    for others in rows[1:]:
        _check_rows(rows[0], others)
    ordered = [
        (out, {**table, "rows": [found[same] for same in rows[0]]}) for table, found in zip(tables, rows, strict=True)
    ]
    return pooled(ordered, out, command) | {"sources": [source for table in tables for source in table["sources"]]}


def pooled(results: Results, out: Path, command: str | None = None) -> dict[str, Any]:
    """One table of the same rows over several seeds, each of them with its folder; episodes are numbered through."""
    documents = [document for _, document in results]
    first, rows = documents[0], []
    for same in zip(*(document["rows"] for document in documents), strict=True):
        outcomes: list[dict[str, Any]] = []
        for (folder, _), row in zip(results, same, strict=True):
            for outcome in moved(row, folder, out)["outcomes"]:
                outcomes.append({**outcome, "episode": len(outcomes)})
        key = hashlib.sha256("".join(row["key"] for row in same).encode()).hexdigest()[:16]
        settings = {**same[0]["settings"], "seed": [seed for row in same for seed in _seeds(row)]}
        times = [episode for row in same for episode in row["plan_ms"]["episodes"]]
        evaluations = [episode for row in same for episode in row["model_evals"]]
        of = {name: value for name, value in same[0].items() if name in (*ROW, "code", "vary")}
        if "file" in same[0]:  # times are compared where both rows stand in the same files
            of["file"] = "+".join(row["file"] for row in same)
        whole = summary(outcomes, times, evaluations, first["confidence"])
        rows.append({**of, "key": key, "settings": settings, **whole})
    left_out = {"left_out": first["left_out"]} if "left_out" in first else {}  # the same for every seed
    return table_of(documents, rows, command or first["command"]) | left_out


def _seeds(row: Mapping[str, Any]) -> list[int]:
    seed = row["settings"]["seed"]
    return seed if isinstance(seed, list) else [seed]


def _same(row: Mapping[str, Any]) -> str:
    """What is the same of a row whatever its seed."""
    settings = {key: value for key, value in row["settings"].items() if key != "seed"}
    return json.dumps([row["task"], row["planner"], row["dynamics"], settings], sort_keys=True)


def _check_rows(first: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `ForearmError` for a row that only one of two groups of seeds has, or that was run by other code there."""
    for here, there in ((first, other), (other, first)):
        for same, row in here.items():
            if same not in there:
                raise ForearmError(
                    f"{row['label']} is in {row['file']} of seed {written(_seeds(row))}, and was not run with the same "
                    f"settings and checkpoint for the other seeds: compare it there too, {UNPAIRED}"
                )
    for same, row in first.items():
        if "code" not in row or "code" not in other[same]:
            raise ForearmError(
                f"{row['label']} in {row['file']} or {other[same]['file']} does not say by which code it was run, as "
                f"results of earlier releases do not: repeat its comparison, {UNPAIRED}"
            )
        if row["code"] != other[same]["code"]:
            raise ForearmError(f"{row['label']} is in {row['file']} and in {other[same]['file']}, but {OTHER_CODE}")
