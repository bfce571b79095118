"""What a job takes along to another machine, and what it brings home.

Files go by the hash of their contents. A machine asks for those that it has not seen, keeps them in a cache, each
bundle in a folder that is there whole or not at all, and reads them there.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forearm.common.addresses import cache_root
from forearm.common.files import LEFTOVERS, bring, replacing
from forearm.errors import InputError


@dataclass(frozen=True)
class Luggage:
    """Files that belong together.

    Attributes:
        text: what the settings call them, a path on the machine where the command was typed; None: they are code.
        files: by their places relative to one another; the first one is what `text` means.
    """

    text: str | None
    files: Mapping[str, Path]


class Travelling(Protocol):
    """A job that may be done on another machine: a dataclass that writes into its folder `out` alone, if it has one."""

    @property
    def luggage(self) -> Sequence[Luggage]:
        """The files that it reads."""
        ...


@dataclass(frozen=True)
class Packed:
    """`Luggage` as it travels. `names` are of its files, in the order of their contents."""

    text: str | None
    names: tuple[str, ...]
    sha256: str

    @classmethod
    def of(cls, luggage: Luggage) -> "tuple[Packed, tuple[bytes, ...]]":
        """And the contents. Raises OSError for files that cannot be read."""
        contents = tuple(path.read_bytes() for path in luggage.files.values())
        names = tuple(luggage.files)
        return cls(luggage.text, names, sha256_of(names, contents)), contents

    @property
    def folder(self) -> Path:
        """Where it is kept on this machine."""
        return cache() / self.sha256

    def keep(self, contents: Sequence[bytes]) -> None:
        """Put the contents into the cache, whole or not at all; several processes may do so at once.

        Raises OSError where they cannot be written, `InputError` if they are not what the hash says.
        """
        if sha256_of(self.names, contents) != self.sha256:
            raise InputError(f"files of {self.text or 'code'} were damaged on their way here")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=self.folder.parent))
        try:
            for name, content in zip(self.names, contents, strict=True):
                with replacing(new / name) as temporary:
                    temporary.write_bytes(content)
            with suppress(OSError):  # somebody else was first
                new.rename(self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def unpack(self) -> None:
        """Read these files where they are kept, from now on."""
        if self.text is not None:
            bring(self.text, self.folder / self.names[0])
        elif str(self.folder) not in sys.path:
            sys.path.append(str(self.folder))  # before the current folder, which is looked through last


def cache() -> Path:
    """Where a machine keeps what it was sent."""
    return cache_root() / "luggage"


def sha256_of(names: Iterable[str], contents: Iterable[bytes]) -> str:
    """Hash of files: their names, sizes and contents."""
    digest = hashlib.sha256()
    for name, content in zip(names, contents, strict=True):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def brought_home(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Places relative to `folder`, and contents, of the files that a job left there, in the order of their writing."""
    left_over = set(folder.rglob(LEFTOVERS))
    files = [path for path in folder.rglob("*") if path.is_file() and path not in left_over]
    for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path)):
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def put_away(out: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write what a job brought home into its folder, each file whole or not at all. Raises OSError."""
    for name, content in files:
        path = out / name
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            continue
        with replacing(path) as temporary:
            temporary.write_bytes(content)
