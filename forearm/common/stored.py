"""Folders at addresses, used as if they were on this disk; see `addresses` for their places here.

`fetched` brings a file to its place here, `kept` sends it away, and what lies here counts as long as its size and time
say that it is the version which stands at the address; `twins` says for how long it stays. What a command writes as its
results lies in another tree, `outputs`, until the command ends; what is read whole stays in a third, see `reading`.
Paths that are no twins are what they are: every function here is then that of `pathlib`.
"""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from forearm.common.addresses import BUCKETS, OUTPUTS, address, cache_root, twin
from forearm.common.stores import WHOLE_PUT, About, about_of, spoken, store_of
from forearm.common.twins import is_pinned, make_room, pin
from forearm.errors import ForearmError

Item = TypeVar("Item")
Made = TypeVar("Made")

THREADS = 16
"""Requests at a time."""
CORES = min(4, os.cpu_count() or 1)
"""Files of this disk at a time."""

_listed: dict[Path, dict[str, About]] = {}
_outputs: set[Path] = set()


def look(folder: Path) -> bool:
    """Whether anything is in `folder`. What is there now is what this process believes from now on, but for its own
    changes. Raises `ForearmError` where the bucket does not exist, may not be read or does not answer.
    """
    if (there := address(folder)) is None:
        return folder.is_dir()
    with spoken(there):
        store, root = store_of(there)
        found = store.find(root, detail=True)
    names = {name[len(root) :].lstrip("/"): about_of(info) for name, info in found.items()}
    _listed[folder] = {name: about for name, about in names.items() if name}
    return bool(_listed[folder])


def exists(path: Path) -> bool:
    """Whether the file is there."""
    return path.exists() if address(path) is None else _known(path) is not None


def glob(folder: Path, pattern: str) -> list[Path]:
    """Files below `folder`, in order; every `*` of the pattern stands for a part of one name."""
    if address(folder) is None:
        return sorted(folder.glob(pattern))
    if folder not in _listed:
        look(folder)
    depth = pattern.count("/")
    names = (name for name in _listed[folder] if name.count("/") == depth and PurePosixPath(name).match(pattern))
    return [folder / name for name in sorted(names)]


def state(path: Path) -> list[Any]:
    """What changes when a file does, as plain values; raises OSError where it is missing."""
    if address(path) is None:
        found = path.stat()
        return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]
    about = _there(path)
    return [about.size, about.tag]


def fetched(path: Path) -> Path:
    """`path`, the file itself on this disk and whole.

    Raises:
        FileNotFoundError: there is none at the address.
        ForearmError: it may not be read, nobody answers, or the library for such addresses is not installed.
    """
    if is_pinned(path) or address(path) is None:
        return path
    about = _there(path)
    if not _is_version(path, about):
        _bring(path, about)
        pin(path)
        make_room(about.size)
    else:
        pin(path)
    return path


def brought(path: Path) -> Path:
    """A file or a folder with all that is in it, on this disk; raises as `fetched`."""
    if address(path) is not None:
        names = [path / name for name in _listed[path]] if look(path) else [path]
        if names == [path]:
            del _listed[path]  # a file
        each(_brought, names, path)
    return path


def found_at(path: Path) -> dict[Path, About]:
    """All files of a folder at an address, or the one file that is there; raises as `look`."""
    look(path)
    found = {path / name: about for name, about in _listed.pop(path).items()}
    about = None if found else _known(path)
    return found if about is None else {path: about}


def mirror(found: Mapping[Path, About], present: Iterable[Path]) -> None:
    """Have these files of an address here, and of those that are `present` no others; raises as `fetched`."""
    for path in [path for path in present if path not in found and path.is_file()]:
        path.unlink()
    missing = [path for path, about in found.items() if not _is_version(path, about)]
    if missing:
        each(lambda path: _bring(path, found[path]), missing, missing[0])


def opened(path: Path) -> Any:
    """What pyarrow can read parts of a file from: the path of one that is here, else a file that asks for bytes when
    they are wanted. Raises as `fetched`.
    """
    if (there := address(path)) is None or _is_version(path, _there(path)):
        return path
    with spoken(there):
        store, name = store_of(there)
        return store.open(name, "rb", block_size=1 << 18)


def each(function: Callable[[Item], Made], items: Iterable[Item], folder: Path) -> list[Made]:
    """`function` of every item, in order; several at a time, many where `folder` is an address: answers take time."""
    with ThreadPoolExecutor(CORES if address(folder) is None else THREADS) as pool:
        return list(pool.map(function, items))


def kept(path: Path) -> None:
    """Send a file that was written to its address, where it has one: it is there whole or not at all.

    Raises:
        ForearmError: it may not be written, there is no such bucket, or what arrived is cut off.
    """
    if (there := address(path)) is None or "/.cache/" in there:
        return
    size = path.stat().st_size
    with spoken(there):
        store, name = store_of(there)
        if there.partition("://")[0] in WHOLE_PUT:
            store.put_file(str(path), name)
        else:
            folder, _, last = name.rpartition("/")
            waiting = f"{folder}/.{last}.{uuid.uuid4().hex[:12]}.tmp"
            store.makedirs(folder, exist_ok=True)
            store.put_file(str(path), waiting)
            store.mv(waiting, name)
        about = about_of(store.info(name))
    if about.size != size:
        raise ForearmError(f"{there}: {about.size} of {size} bytes arrived: repeat the command")
    _believe(path, about)
    os.utime(path, ns=(time.time_ns(), about.mtime_ns))
    if path.is_relative_to(cache_root() / BUCKETS):
        make_room(size)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, at its address too, where it has one; raises `ForearmError` as `look`."""
    if look(folder) and (there := address(folder)) is not None:
        with spoken(there, "written"):
            store, root = store_of(there)
            store.rm(root, recursive=True)
    _listed.pop(folder, None)
    for above, names in _listed.items():
        if folder.is_relative_to(above):
            below = f"{folder.relative_to(above).as_posix()}/"
            for name in [name for name in names if name.startswith(below)]:
                del names[name]
    shutil.rmtree(folder, ignore_errors=True)


def output(text: str) -> Path:
    """Where results for the address `text` are written until `settle`; what is there already is brought along.

    Raises `ForearmError` for an address that may not be written or read.
    """
    folder = twin(text, OUTPUTS)
    if address(folder) is None:
        return folder
    check_writable(folder)
    look(folder)
    for path in [path for path in folder.rglob("*") if path.is_file() and _is_first()]:
        if _known(path) is None:
            path.unlink()
    each(lambda name: _brought(folder / name), _listed[folder], folder)
    folder.mkdir(parents=True, exist_ok=True)
    _outputs.add(folder)
    return folder


def check_writable(folder: Path) -> None:
    """Raise `ForearmError` unless files can be written to the address of `folder`, before anything is made for it."""
    if (there := address(folder)) is None:
        return
    with spoken(there, "written"):
        store, name = store_of(f"{there}/.forearm-{uuid.uuid4().hex[:12]}.tmp")
        store.pipe_file(name, b"")
        store.rm_file(name)


def settle(quietly: bool = False) -> None:
    """Send what a command has appended to its results, and remove them from this disk.

    With `quietly`, as after an error that is told already, what cannot be sent stays.
    """
    while _outputs:
        folder = _outputs.pop()
        if not _is_first():
            continue
        try:
            for path in folder.rglob("*"):
                if path.is_file() and not path.match(".*.tmp*"):
                    about = _known(path)
                    if about is None or not _is_version(path, about):
                        kept(path)
        except (ForearmError, OSError):
            if not quietly:
                raise
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _known(path: Path) -> About | None:
    """What stands at the address of `path`: as listed, else asked for."""
    for folder, names in _listed.items():
        if path.is_relative_to(folder):
            return names.get(path.relative_to(folder).as_posix())
    there = address(path)
    assert there is not None
    try:
        with spoken(there):
            store, name = store_of(there)
            info = store.info(name)
    except FileNotFoundError:
        return None
    return about_of(info) if info["type"] == "file" else None


def _there(path: Path) -> About:
    if (about := _known(path)) is None:
        raise FileNotFoundError(2, "no such file", str(address(path)))
    return about


def _believe(path: Path, about: About) -> None:
    for folder, names in _listed.items():
        if path.is_relative_to(folder):
            names[path.relative_to(folder).as_posix()] = about


def _is_version(path: Path, about: About) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (about.size, about.mtime_ns)


def _brought(path: Path) -> None:
    about = _there(path)
    if not _is_version(path, about):
        _bring(path, about)


def _bring(path: Path, about: About) -> None:
    """Download a file: it appears whole."""
    there = address(path)
    assert there is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with spoken(there):
            store, name = store_of(there)
            store.get_file(name, str(temporary))
        if (size := temporary.stat().st_size) != about.size:
            raise ForearmError(f"{there}: {size} of {about.size} bytes came: it changes, repeat the command")
        os.utime(temporary, ns=(time.time_ns(), about.mtime_ns))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _is_first() -> bool:
    """Whether this is the process that writes: of those that torchrun starts, the first."""
    return os.environ.get("RANK", "0") == "0"
