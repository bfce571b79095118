"""Several results in one table: of several machines, on the same episodes; those of several seeds are in pooling.py."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forearm.agent.setup import ORACLE
from forearm.errors import ForearmError, one_line
from forearm.evaluation.contenders import label_of, name_of, said_beside
from forearm.evaluation.labels import differences
from forearm.evaluation.manifest import differing
from forearm.evaluation.results import outcomes_in, provenance, summary
from forearm.evaluation.verdicts import judged
from forearm.settings.words import written

Document = Mapping[str, Any]
UNPAIRED = "or take them as different episodes, unpaired=true"
OTHER_CODE = "was run by different code (forearm's or use=): repeat one of them with the other's"
ROW = ("task", "name", "label", "key", "planner", "dynamics", "checkpoint", "searches", "draws_prior", "settings")
"""Keys of a row that say whose it is; one under a variation has `vary` as well."""


def read_results(path: Path) -> Document:
    """The results in a file; raises `ForearmError` for what is none, or too old to say what a success was."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = document["rows"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ForearmError(f"{path}: cannot be read as results of forearm compare ({one_line(error)})") from None
    try:
        for row in rows:
            outcomes_in(row)
            _ = [row[key] for key in ROW], [outcome["sha256"] for outcome in row["outcomes"]]
        _ = [document[key] for key in ("criteria", "manifests", "seeds", "alpha", "confidence", "solved_at_start")]
    except (ValueError, TypeError, KeyError) as error:
        raise ForearmError(
            f"{path}: lacks what a table of several files needs ({one_line(error)}), as results of earlier releases "
            "do: repeat its comparison"
        ) from None
    return dict(document)


def merged(
    results: Sequence[tuple[Path, Document]], out: Path, command: str | None = None, unpaired: bool = False
) -> dict[str, Any]:
    """One table of the results in several files, of the same seeds unless `unpaired`, as it would be written to `out`.

    Rows are told apart anew, and tested as one family. With `unpaired`, episodes need not be the same.

    Raises `ForearmError`, with the field that differs, for results of other criteria or another manifest, and for rows
    that say different things of the same episodes.
    """
    (first_path, first), *others = results
    for path, document in others:
        check_alike(first_path, first, path, document, unpaired)
    rows: dict[str, dict[str, Any]] = {}
    for path, document in results:
        for row in document["rows"]:
            here = {**moved(row, path.parent, out), "file": str(path)}
            known = rows.get(row["key"])
            rows[row["key"]] = here if known is None else _joined(known, here, first["confidence"])
    told = _told_apart(list(rows.values()))
    tasks = list(dict.fromkeys(row["task"] for row in told))
    told.sort(
        key=lambda row: (tasks.index(row["task"]), 0 if row["searches"] else 1 if row["dynamics"] == ORACLE else 2)
    )
    documents = [document for _, document in results]
    sources = [{"file": str(path), **_source(document)} for path, document in results]
    return table_of(documents, told, command) | {"sources": sources}


def table_of(documents: Sequence[Document], rows: Sequence[dict[str, Any]], command: str | None) -> dict[str, Any]:
    """The document of rows that come from several."""
    first = documents[0]
    hashes = list(dict.fromkeys(document["manifest_sha256"] for document in documents))
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    seeds = list(dict.fromkeys(seed for document in documents for seed in document["seeds"]))
    about = provenance(command, seeds[0], {"name": first["protocol"]}, sha256)
    manifests: dict[str, str] = {}
    solved: dict[str, dict[str, int]] = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        found = {d["manifests"][task]: d["solved_at_start"][task] for d in documents if task in d["manifests"]}
        manifests[task] = "+".join(found)
        solved[task] = {key: sum(counted[key] for counted in found.values()) for key in ("drawn", "solved")}
    criteria = {task: found for document in documents for task, found in document["criteria"].items()}
    return {
        **about,
        "seeds": seeds,
        "manifests": manifests,
        "criteria": criteria,
        **{key: first.get(key) if len({d.get(key) for d in documents}) == 1 else None for key in ("budget", "device")},
        "alpha": first["alpha"],
        "confidence": first["confidence"],
        "rows": list(rows),
        **judged(rows, first["alpha"], first["confidence"]),
        "solved_at_start": solved,
    }


def _source(document: Document) -> dict[str, Any]:
    return {key: document.get(key) for key in ("command", "version", "created", "machine", "seeds", "budget", "device")}


def check_alike(one: Path, of_one: Document, other: Path, of_other: Document, other_episodes: bool) -> None:
    """Raise `ForearmError`, with the field, for results that belong in no table together; `other_episodes` may be."""

    def refuse(field: str, here: Any, there: Any, remedy: str) -> None:
        raise ForearmError(f"{one} and {other} differ in {field} ({written(here)}, {written(there)}): {remedy}")

    for key in ("alpha", "confidence"):
        if of_one[key] != of_other[key]:
            refuse(f"protocol.{key}", of_one[key], of_other[key], "give both comparisons the same")
    for task in of_one["criteria"].keys() & of_other["criteria"].keys():
        here, there = of_one["criteria"][task], of_other["criteria"][task]
        if field := differing(here, there):
            remedy = "what is counted is not the same; run both from one manifest, manifest=FILE"
            refuse(f"{task}: {field}", here.get(field), there.get(field), remedy)
        if other_episodes or of_one["manifests"][task] == of_other["manifests"][task]:
            continue
        remedy = f"run both from one manifest, manifest=FILE, {UNPAIRED}"
        drawn, also = (document["solved_at_start"][task]["drawn"] for document in (of_one, of_other))
        if drawn != also:
            refuse(f"{task}: the number of episodes drawn", drawn, also, remedy)
        refuse(f"{task}: the manifest's hash", of_one["manifests"][task][:16], of_other["manifests"][task][:16], remedy)


def moved(row: Mapping[str, Any], folder: Path, out: Path) -> dict[str, Any]:
    """The row with the paths of its films as they are seen from another folder."""
    outcomes = []
    for outcome in row["outcomes"]:
        film = outcome.get("film")
        if film:
            film = Path(os.path.relpath(folder / film, out)).as_posix()
        outcomes.append({**outcome, "film": film})
    return {**row, "outcomes": outcomes}


def _joined(one: dict[str, Any], other: dict[str, Any], confidence: float) -> dict[str, Any]:
    """A row that two files have: episodes of both; raises `ForearmError` where they do not say the same."""
    places = {outcome["sha256"]: place for place, outcome in enumerate(one["outcomes"])}
    new = []
    for place, outcome in enumerate(other["outcomes"]):
        known = places.get(outcome["sha256"])
        if known is None:
            new.append(place)
        elif one["outcomes"][known]["success"] != outcome["success"]:
            raise ForearmError(
                f"{one['label']} is in {one['file']} and in {other['file']}, with another outcome of episode "
                f"{outcome['episode']}: the machines do not compute the same, so leave one of the rows out"
            )
    if not new:
        return one
    timed = one["plan_ms"]["episodes"] and other["plan_ms"]["episodes"]
    return one | summary(
        [*one["outcomes"], *(other["outcomes"][place] for place in new)],
        [*one["plan_ms"]["episodes"], *(other["plan_ms"]["episodes"][place] for place in new)] if timed else [],
        [*one["model_evals"], *(other["model_evals"][place] for place in new)],
        confidence,
    )


def _told_apart(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with names that differ; raises `ForearmError` for those that differ in their code alone."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        label = label_of(row["task"], row["planner"], row["dynamics"])
        alike.setdefault(label + said_beside(row.get("vary")), []).append(row)
    told = []
    for label, group in alike.items():
        words = differences([row["settings"] for row in group]) if len(group) > 1 else [""]
        if len(set(words)) < len(group):
            raise ForearmError(f"{label} is in several files with the same settings, but {OTHER_CODE}")
        for row, apart in zip(group, words, strict=True):
            name = name_of(row["planner"], row["dynamics"]) + said_beside(row.get("vary"), apart)
            told.append({**row, "name": name, "label": label + said_beside(None, apart)})
    return told
