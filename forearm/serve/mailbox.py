"""Room for one request: the newest wins, and nothing is lost silently."""

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Letter(Generic[T]):
    """Something and when it came, s of the event loop's clock."""

    content: T
    came: float


class Mailbox(Generic[T]):
    """Holds the newest letter until it is taken; a newer one pushes an older one out, which `put` returns."""

    def __init__(self) -> None:
        self._letter: Letter[T] | None = None
        self._there = asyncio.Event()
        self._closed = False

    def put(self, letter: Letter[T]) -> Letter[T] | None:
        """Leave a letter; returns the one that it replaces, if there was one."""
        replaced, self._letter = self._letter, letter
        self._there.set()
        return replaced

    def peek(self) -> Letter[T] | None:
        """The letter that waits."""
        return self._letter

    def close(self) -> None:
        """No more letters: who waits for one gets None."""
        self._closed = True
        self._there.set()

    async def take(self) -> Letter[T] | None:
        """The newest letter, as soon as there is one; None when the mailbox was closed."""
        await self._there.wait()
        if self._closed:
            return None
        letter, self._letter = self._letter, None
        self._there.clear()
        return letter
