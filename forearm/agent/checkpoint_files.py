"""The files of a world model, for a machine on which they are not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forearm.agent.checkpoint_reading import backbone_file, file_of, named_apart, place_of
from forearm.common.dotted import is_dotted
from forearm.common.engine.luggage import Luggage


def checkpoint_files(task: Mapping[str, Any]) -> Iterator[Luggage]:
    """What a task's config names: its checkpoint with all that lies beside it, heads, student, sub-goals, ranking,
    decoder.

    What ships with the package is everywhere, and a model of one's own is code. Raises `CheckpointError` where there
    is no checkpoint.
    """
    from forearm.world_model.runtime.checkpoint import BESIDE, pretrained_folder

    name = str(task["checkpoint"])
    if not is_dotted(name):
        file = file_of(name)
        if file.parent != pretrained_folder():
            beside = [file.with_name(f"{file.stem}{suffix}.json") for suffix in BESIDE]
            yield _luggage(name, file, *(path for path in beside if path.is_file()))
    for key in ("heads", "student", "subgoals", "rankings", "decoder"):
        if named := named_apart(task, key):
            yield _luggage(named, Path(place_of(named)))


def _luggage(text: str, *documents: Path) -> Luggage:
    """Files of JSON and the weights of each; also those of a frozen backbone, which may lie elsewhere."""
    files = [path for document in documents for path in (document, document.with_suffix(".safetensors"))]
    if weights := backbone_file(documents[0]):
        there = Path(weights).expanduser()
        files.append(there if there.exists() else documents[0].parent / there.name)
    return Luggage(text, {path.name: path for path in files if path.is_file()})
