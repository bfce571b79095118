"""A learned cost of whole ways: asked once a problem, of as many steps as it knows."""

import pytest
import torch

from forearm.planner import WayValue
from tests.planner.toys import rand


def last_less(ways: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    return (ways[:, -1] - starts).sum(-1)


def test_the_first_steps_count_and_each_problem_has_its_own() -> None:
    ways, starts = rand(2, 3, 5, 4), rand(2, 4, seed=1)
    found = WayValue(last_less, 2, (starts,)).cost(ways, torch.zeros(2, 3, 5, 1))
    assert torch.equal(found, (ways[:, :, 1] - starts[:, None]).sum(-1))
    alone = WayValue(last_less, 2, (starts[1:],)).cost(ways[1:], torch.zeros(1, 3, 5, 1))
    assert torch.equal(alone, found[1:])


def test_what_does_not_fit() -> None:
    ways, commands = rand(2, 3, 5, 4), torch.zeros(2, 3, 5, 1)
    with pytest.raises(ValueError, match="6 or more"):
        WayValue(last_less, 6, (ways[:, 0, 0],)).cost(ways, commands)
    with pytest.raises(ValueError, match="trajectory is of 2 problems"):
        WayValue(last_less, 2, (ways[:1, 0, 0],)).cost(ways, commands)
    with pytest.raises(ValueError, match="one number for each of the 3 candidates"):
        WayValue(lambda ways: ways, 2).cost(ways, commands)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        WayValue(last_less, 0)
