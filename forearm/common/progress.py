"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""
Count = Callable[[int, int], None]
"""Called with how much is done, and how much there is, of the one thing that is being done."""
ALL_ROWS = "all rows"
"""What a comparison tells of as a whole."""
