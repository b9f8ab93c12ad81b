import pytest
import torch

from dinobench.runtime.device import device_name, pick_device
from dinobench.runtime.errors import InputError


def test_the_cpu_can_always_be_had() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert device_name(torch.device("cpu")).startswith("cpu (")


def test_auto_is_a_device_that_computes() -> None:
    assert torch.ones(2, device=pick_device("auto")).sum().item() == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_an_absent_gpu_is_refused_not_replaced() -> None:
    with pytest.raises(InputError, match="no CUDA device is visible"):
        pick_device("cuda")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="unknown device 'tpu9'"):
        pick_device("tpu9")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_auto_prefers_the_gpu() -> None:
    assert pick_device(None).type == "cuda"
