import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model import distributed
from forearm.world_model.device import DeviceError, available, choose
from forearm.world_model.runtime.checkpoint import load_checkpoint

FOREIGN = [
    "cuda", "cuda:0", "cuda:1", "cuda:99", "cuda:-1", "cuda:x", "mps", "mps:0", "gpu", "GPU", "CPU", "Cuda", "auto",
    "meta", "", " ", "cpu ", "xla", "xpu", "hip", "hpu", "vulkan", "privateuseone", "cpu:0", "0", "-1", "none", "küche",
]  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_device_that_is_not_here_is_named_beside_those_that_are(name: str) -> None:
    if name in available():
        pytest.skip("this machine has it")
    for use in (choose, lambda device: load_checkpoint("reach", device), lambda device: _join(device)):
        with pytest.raises(DeviceError) as caught:
            use(name)
        assert f"device={name}: " in str(caught.value) and "cpu" in str(caught.value)
        assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=12))
def test_any_word_is_a_device_that_works_or_an_error_of_one_kind(name: str) -> None:
    try:
        torch.zeros(1, device=choose(name))
    except DeviceError:
        assert name not in available()


def test_what_is_here_is_taken() -> None:
    assert available()[0] == "cpu"
    for name in available():
        assert str(choose(name)) == name and choose(torch.device(name)) == torch.device(name)
    assert choose(None).type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_second_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose(None) == torch.device("cuda") and choose("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="cpu, cuda, cuda:0, cuda:1"):
        choose("cuda:2")


def _join(device: str) -> None:
    with distributed.joined(device):
        pass
