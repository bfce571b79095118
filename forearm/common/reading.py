"""Files that are read whole, such as checkpoints, pictures and results: by their paths, or from addresses."""

from contextlib import suppress
from glob import escape
from pathlib import Path

from forearm.common import stored
from forearm.common.addresses import FILES, address, is_address, twin
from forearm.common.files import is_brought, place
from forearm.common.stores import About, about_of, spoken, store_of


def here(text: str | Path) -> Path:
    """The file or folder that somebody typed; that of an address on this disk, as it is there now.

    Where nothing is, nothing is at that path either. Raises `ForearmError` for an address that cannot be read.
    """
    if is_brought(str(text)) or not is_address(text):
        return place(text)
    path = twin(str(text), FILES)
    if address(path) is not None:
        stored.mirror(stored.found_at(path), path.rglob("*") if path.is_dir() else [path])
    return path


def beginning(path: Path) -> None:
    """Bring the files of a folder at an address whose names begin with that of `path`, which is in it."""
    if (there := address(path.parent)) is None:
        return
    found: dict[Path, About] = {}
    with spoken(there), suppress(FileNotFoundError):
        store, root = store_of(there)
        for info in store.ls(root, detail=True):
            folder, _, name = str(info["name"]).rpartition("/")
            if info["type"] == "file" and folder == root.rstrip("/") and name.startswith(path.name):
                found[path.with_name(name)] = about_of(info)
    stored.mirror(found, path.parent.glob(f"{escape(path.name)}*"))
