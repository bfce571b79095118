"""Being told to stop, for as long as something runs that has to end in its own way."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def told_to_stop(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` at SIGINT and SIGTERM inside; what was done at them before is done again after. Main thread only."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, lambda *_: act())
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
