"""A row of the table: two numbers of each round, and what the second is of the first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.bench.bootstrap import ratio_of_medians

Row = dict[str, Any]


def measured(what: str, unit: str, first: Sequence[float], second: Sequence[float], aim: float | None = None) -> Row:
    """Medians of both, and their ratio with its interval, None where the first is nothing; `aim` is what the ratio
    should be at least.
    """
    ratio = ratio_of_medians(second, first).to_dict() if min(first) > 0 else {"value": None}
    return _row(what, unit, float(np.median(first)), float(np.median(second)), ratio, aim, predicted=False)


def predicted(what: str, unit: str, first: float, second: float) -> Row:
    """The second number is what a model says."""
    return _row(what, unit, first, second, {"value": second / first}, None, predicted=True)


def _row(what: str, unit: str, first: float, second: float, ratio: Row, aim: float | None, predicted: bool) -> Row:
    return {
        "what": what, "unit": unit, "first": first, "second": second, "ratio": ratio, "aim": aim,
        "predicted": predicted,
    }  # fmt: skip
