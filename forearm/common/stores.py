"""Stores such as S3, as fsspec (https://filesystem-spec.readthedocs.io) speaks to them; s3fs is for S3."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from forearm.errors import ForearmError, one_line

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


@contextmanager
def spoken(there: str, done: str = "read or written") -> Iterator[None]:
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


def store_of(there: str) -> tuple[Any, str]:
    """The file system of an address, and what it calls the file."""
    from fsspec.core import url_to_fs

    store, name = url_to_fs(there, use_listings_cache=False)
    return store, str(name)


def about_of(info: dict[str, Any]) -> About:
    """What a file system says of a file, whatever it calls the mark of its contents."""
    names = ("ETag", "etag", "md5Hash", "content_md5", "sha256", "last_modified", "LastModified", "mtime", "created")
    return About(int(info["size"]), str(next((info[name] for name in names if info.get(name)), "")))
