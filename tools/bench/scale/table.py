"""One table of what more workers and more replicas bring, and what they cost: ratios of one run."""

from collections.abc import Callable
from typing import Any

from tools.bench.budget import Budget
from tools.bench.scale import holding, serving, starting, working
from tools.bench.scale.rows import Row

PARTS: tuple[Callable[[Budget], list[Row]], ...] = (working.rows, starting.rows, serving.rows, holding.rows)
"""What the rows come from, in the order of the table."""


def scale(budget: Budget) -> dict[str, Any]:
    """The rows of the table."""
    rows = [row for part in PARTS for row in part(budget)]
    return {"rounds": budget.scale_rounds, "jobs": budget.scale_jobs, "rows": rows}
