"""Errors that a user can mend, and the words that help to mend them.

Every room may import this file; it imports none of ours.
"""

import difflib
import errno
import os
from collections.abc import Iterable


class ForearmError(Exception):
    """Something the user can mend: the root of every error that is raised on purpose.

    The command line prints it as one line on stderr and exits with code 2, without a traceback.
    Any other exception but `OSError` is a defect, a builtin ValueError among them.
    """


class InputError(ForearmError, ValueError):
    """An argument, a setting or a file that is not what it should be; the message says what was expected."""


def one_line(text: object) -> str:
    """`text` with every run of white space, line breaks included, turned into one space."""
    return " ".join(str(text).split())


def nearest(word: str, known: Iterable[str], most: int = 1, cutoff: float = 0.5) -> list[str]:
    """Up to `most` of the known names that are near to `word`, small and capital letters alike; the nearest first."""
    folded = {name.lower(): name for name in known}
    return [folded[name] for name in difflib.get_close_matches(word.lower(), folded, n=most, cutoff=cutoff)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to say after "unknown WORD": the nearest known name, or all of them where none is near.

    Returns a string that starts with a separator, so that it can be appended as it is; empty when `known` is.
    """
    names = sorted(set(known))
    if not names:
        return ""
    if near := nearest(word, names):
        return f"; did you mean '{near[0]}'?"
    return f"; choose from {', '.join(names)}"


def disk_message(error: OSError) -> str:
    """One line about an operating-system error, with the remedy where there is a usual one."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        full = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return f"{full}{where}: free some space and repeat the command, finished parts are kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write or read{where}: choose another out="
    return one_line(error)


def user_message(error: BaseException) -> str | None:
    """The line to show for an error that the user can mend; None for a defect of ours. Its type alone decides."""
    if isinstance(error, ForearmError):
        return one_line(error)
    if isinstance(error, OSError):
        return disk_message(error)
    return None


def debugging() -> bool:
    """Whether tracebacks are wanted in place of lines: FOREARM_DEBUG is set, to anything but 0."""
    return os.environ.get("FOREARM_DEBUG", "") not in ("", "0")
