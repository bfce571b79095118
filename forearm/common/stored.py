"""Folders at addresses, used as if they were on this disk; see `addresses` for their places here.

`fetched` brings a file to its place here, `kept` sends it away, and what lies here counts as long as its size and time
say that it is the version which stands at the address. What was not used for longest goes when all together grows
larger than the limit. What a command writes as its results lies in another
tree, `outputs`, until the command ends. Paths that are no twins are what they are: every function here is then that of
`pathlib`.

fsspec (https://filesystem-spec.readthedocs.io) speaks to the stores, with s3fs for S3.
"""

import hashlib
import os
import shutil
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, TypeVar

from forearm.common.addresses import BUCKETS, OUTPUTS, address, cache_root, twin
from forearm.errors import ForearmError, one_line

try:
    import fcntl
except ImportError:  # not on Windows, where one process may then remove what another is about to open
    fcntl = None  # type: ignore[assignment]

Item = TypeVar("Item")
Made = TypeVar("Made")

LIMIT = "FOREARM_BUCKET_GB"
"""Environment variable through which worker processes learn how large all twins together may grow, in GB."""
DEFAULT_GB = 20.0
PINNED = 2
"""Files that were used last and that no process removes: they are about to be opened."""
THREADS = 16
"""Requests at a time."""
WHOLE_PUT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"})
"""Stores in which an upload is there whole or not at all; elsewhere it gets its name when it is complete."""


@dataclass(frozen=True)
class About:
    """A file at an address: its size in bytes, and what changes with its contents."""

    size: int
    tag: str

    @property
    def mtime_ns(self) -> int:
        """The time that a twin of this version bears: whole seconds, long ago, made of the tag."""
        return (10**9 + int(hashlib.sha256(self.tag.encode()).hexdigest()[:8], 16) % (5 * 10**8)) * 10**9


_listed: dict[Path, dict[str, About]] = {}
_pins: "OrderedDict[Path, int]" = OrderedDict()
_lock = Lock()
_outputs: set[Path] = set()
_held: tuple[int, int] | None = None
"""Bytes that the twins had when they were counted, and how many came since."""


def set_limit(gigabytes: float) -> None:
    """How large all twins together may grow, for this process and those that it starts; 1 GB is 10⁹ bytes."""
    global _held
    _held = None
    os.environ.pop(LIMIT, None)
    if gigabytes != DEFAULT_GB:
        os.environ[LIMIT] = str(gigabytes)


def look(folder: Path) -> bool:
    """Whether anything is in `folder`. What is there now is what this process believes from now on, but for its own
    changes. Raises `ForearmError` where the bucket does not exist, may not be read or does not answer.
    """
    if (there := address(folder)) is None:
        return folder.is_dir()
    with _spoken(there):
        store, root = _store(there)
        found = store.find(root, detail=True)
    names = {name[len(root) :].lstrip("/"): _about(info) for name, info in found.items()}
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
    if path in _pins or address(path) is None:
        return path
    about = _there(path)
    if not _is_version(path, about):
        _bring(path, about)
        _pin(path)
        _make_room(about.size)
    else:
        _pin(path)
    return path


def brought(path: Path) -> Path:
    """A file or a folder with all that is in it, on this disk; raises as `fetched`."""
    if address(path) is not None:
        names = [path / name for name in _listed[path]] if look(path) else [path]
        each(_brought, names, path)
    return path


def opened(path: Path) -> Any:
    """What pyarrow can read parts of a file from: the path of one that is here, else a file that asks for bytes when
    they are wanted. Raises as `fetched`.
    """
    if (there := address(path)) is None or _is_version(path, _there(path)):
        return path
    with _spoken(there):
        store, name = _store(there)
        return store.open(name, "rb", block_size=1 << 18)


def each(function: Callable[[Item], Made], items: Iterable[Item], folder: Path) -> list[Made]:
    """`function` of every item, in order; several at a time where `folder` is an address, as its answers take time."""
    if address(folder) is None:
        return [function(item) for item in items]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def kept(path: Path) -> None:
    """Send a file that was written to its address, where it has one: it is there whole or not at all.

    Raises:
        ForearmError: it may not be written, there is no such bucket, or what arrived is cut off.
    """
    if (there := address(path)) is None or "/.cache/" in there:
        return
    size = path.stat().st_size
    with _spoken(there):
        store, name = _store(there)
        if there.partition("://")[0] in WHOLE_PUT:
            store.put_file(str(path), name)
        else:
            folder, _, last = name.rpartition("/")
            waiting = f"{folder}/.{last}.{uuid.uuid4().hex[:12]}.tmp"
            store.makedirs(folder, exist_ok=True)
            store.put_file(str(path), waiting)
            store.mv(waiting, name)
        about = _about(store.info(name))
    if about.size != size:
        raise ForearmError(f"{there}: {about.size} of {size} bytes arrived: repeat the command")
    _believe(path, about)
    os.utime(path, ns=(time.time_ns(), about.mtime_ns))
    if path.is_relative_to(cache_root() / BUCKETS):
        _make_room(size)


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
    with _spoken(there, "written"):
        store, name = _store(f"{there}/.forearm-{uuid.uuid4().hex[:12]}.tmp")
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


@contextmanager
def _spoken(there: str, done: str = "read or written") -> Iterator[None]:
    """Say in one line what a store answers; a file that is missing stays a FileNotFoundError."""
    try:
        yield
    except ForearmError:
        raise
    except ImportError as error:
        scheme = there.partition("://")[0]
        remedy = "pip install 'forearm[bucket]'" if scheme in ("s3", "s3a") else one_line(error)
        raise ForearmError(f"{there}: needs a package that is not installed: {remedy}") from error
    except FileNotFoundError as error:
        if "bucket" not in str(error).lower():
            raise
        raise ForearmError(f"{there}: {one_line(error)}: make it first, or name another") from error
    except PermissionError as error:
        raise ForearmError(
            f"{there}: may not be {done} with these credentials ({one_line(error)}): use others or another address"
        ) from error
    except Exception as error:
        said = one_line(error)
        if "redential" in said or "redential" in type(error).__name__:
            said += ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what your store takes in their place"
        raise ForearmError(f"{there}: cannot be {done}: {said or type(error).__name__}") from error


def _store(there: str) -> tuple[Any, str]:
    """The file system of an address, and what it calls the file."""
    from fsspec.core import url_to_fs

    store, name = url_to_fs(there, use_listings_cache=False)
    return store, str(name)


def _about(info: dict[str, Any]) -> About:
    names = ("ETag", "etag", "md5Hash", "content_md5", "sha256", "last_modified", "LastModified", "mtime", "created")
    return About(int(info["size"]), str(next((info[name] for name in names if info.get(name)), "")))


def _known(path: Path) -> About | None:
    """What stands at the address of `path`: as listed, else asked for."""
    for folder, names in _listed.items():
        if path.is_relative_to(folder):
            return names.get(path.relative_to(folder).as_posix())
    there = address(path)
    assert there is not None
    try:
        with _spoken(there):
            store, name = _store(there)
            info = store.info(name)
    except FileNotFoundError:
        return None
    return _about(info) if info["type"] == "file" else None


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
        with _spoken(there):
            store, name = _store(there)
            store.get_file(name, str(temporary))
        if (size := temporary.stat().st_size) != about.size:
            raise ForearmError(f"{there}: {size} of {about.size} bytes came: it changes, repeat the command")
        os.utime(temporary, ns=(time.time_ns(), about.mtime_ns))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _pin(path: Path) -> None:
    """Keep a file from being removed, by any process, while it is one of the last that this one used."""
    if fcntl is None:
        return
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.utime(path, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))
    with _lock:
        if path in _pins:
            os.close(descriptor)
        else:
            _pins[path] = descriptor
        while len(_pins) > PINNED:
            os.close(_pins.popitem(last=False)[1])


def _make_room(added: int) -> None:
    """Remove the twins that were not used for longest, as far as there are more than the limit lets be."""
    global _held
    limit = int(float(os.environ.get(LIMIT, DEFAULT_GB)) * 1e9)
    if _held is not None:
        _held = (_held[0], _held[1] + added)
        if sum(_held) <= limit and _held[1] < limit // 20:
            return
    found = []
    for folder, below, names in os.walk(cache_root() / BUCKETS):
        below[:] = [name for name in below if name not in (".cache", "meta")]
        for path in (Path(folder, name) for name in names):
            with suppress(OSError):
                about = path.stat()
                found.append((about.st_atime_ns, about.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            break
        if path not in _pins and _removed(path):
            total -= size
    _held = (total, 0)


def _removed(path: Path) -> bool:
    """Remove a file, unless a process is about to open it."""
    try:
        with path.open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:
        return False
    return True


def _is_first() -> bool:
    """Whether this is the process that writes: of those that torchrun starts, the first."""
    return os.environ.get("RANK", "0") == "0"
