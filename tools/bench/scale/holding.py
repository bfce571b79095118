"""What a data set of a million episodes costs beside one of a thousand."""

import tempfile
from pathlib import Path

from tools.bench.budget import Budget
from tools.bench.scale.rows import Row, measured
from tools.experiments import many_episodes

FEW = 1_000


def rows(budget: Budget) -> list[Row]:
    """Windows a second, seconds until the first batch, and memory beside the cache, of both sizes."""
    with tempfile.TemporaryDirectory() as folder:
        found = many_episodes.measured(Path(folder), FEW, budget.scale_episodes)
    sizes = f"{budget.scale_episodes:,} episodes over {FEW:,}"
    figures = (
        ("windows drawn", "1/s", "windows_per_s", 0.9),
        ("a known data set opened", "s", "open_s", None),
        ("memory beside the cache", "MiB", "anonymous_mib", None),
    )
    return [
        measured(f"{what}: {sizes}", unit, [found["few"][key]], [found["many"][key]], aim)
        for what, unit, key, aim in figures
    ]
