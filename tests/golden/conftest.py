"""What the product computes now, for the entries whose tests were chosen."""

from typing import Any

import pytest

from tests.golden.capture import EXACT, comparable
from tests.golden.pinned import captured


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The entries of a module's chosen tests as they are computed now, in one process."""
    chosen = [item.callspec.params["entry"] for item in request.session.items
              if item.path == request.path and hasattr(item, "callspec")]  # fmt: skip
    return captured([entry for entry in chosen if entry in EXACT or comparable()])
