"""Errors that a user can mend, and the words that help to mend them."""

import difflib
import errno
from collections.abc import Iterable


class ForearmError(Exception):
    """Something the user can mend.

    The command line prints it as one line on stderr and exits with code 2, without a traceback.
    """


def one_line(text: object) -> str:
    """`text` with every run of white space, line breaks included, turned into one space."""
    return " ".join(str(text).split())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to say after "unknown WORD": the nearest known name, or all of them where none is near.

    Returns a string that starts with a separator, so that it can be appended as it is; empty when `known` is.
    """
    names = sorted(set(known))
    if not names:
        return ""
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{folded[near[0]]}'?"
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
    """The line to show for an error that the user can mend; None for a defect of ours."""
    if isinstance(error, ForearmError) or _is_from_a_room(error):
        return one_line(error)
    if isinstance(error, OSError):
        return disk_message(error)
    return None


def _is_from_a_room(error: BaseException) -> bool:
    """Whether a room raised this on purpose: a type of its own, or a plain ValueError raised by its own
    code.
    """
    if type(error).__module__.split(".")[0] == "forearm":
        return True
    trace = error.__traceback__
    if type(error) is not ValueError or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0] == "forearm"
