import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model.runtime.slowness import slow_map, step_covariance


def walk(seed=0, steps=400):
    """Two directions that change at every step, one that seldom does."""
    generator = torch.Generator().manual_seed(seed)
    fast = torch.randn(4, steps, 2, generator=generator)
    slow = torch.randn(4, steps // 50, 1, generator=generator).repeat_interleave(50, dim=1)
    return torch.cat([fast, slow], dim=-1)


def test_what_changes_rarely_counts_for_more():
    chart = slow_map(step_covariance(walk()), slowness=1.0)
    steps = torch.eye(3) @ chart
    fast, slow = steps[0].square().sum(), steps[2].square().sum()
    assert slow > 10 * fast


def test_no_slowness_is_the_plain_distance():
    torch.testing.assert_close(slow_map(step_covariance(walk()), 0.0), torch.eye(3), atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(slowness=st.floats(0, 1), seed=st.integers(0, 50), frozen=st.booleans())
def test_the_scale_of_distances_stays(slowness, seed, frozen):
    latents = walk(seed)
    if frozen:  # a direction that never changes must not become all that counts
        latents[..., 2] = 0.0
    chart = slow_map(step_covariance(latents), slowness)
    assert torch.isfinite(chart).all()
    torch.testing.assert_close(chart, chart.T)
    assert torch.trace(chart @ chart).item() == pytest.approx(3.0, rel=1e-4)


def test_a_slowness_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"slowness is 2\.0"):
        slow_map(torch.eye(3), 2.0)
