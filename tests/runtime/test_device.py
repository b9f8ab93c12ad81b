import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from dinobench.runtime.device import (
    all_devices,
    device_name,
    group_device,
    kind_of,
    memory_bytes,
    pick_device,
    prepare_device,
    use_device,
    visible_devices,
)
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


class TwoDevices:
    """What torch.xpu says on a machine with two of Intel's GPUs."""

    chosen: torch.device

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def set_device(self, device: torch.device) -> None:
        self.chosen = device

    def get_device_name(self, device: torch.device) -> str:
        return f"Max 1550 number {device.index}"

    def get_device_properties(self, device: torch.device | int) -> SimpleNamespace:
        return SimpleNamespace(uuid=f"uuid {device}", total_memory=48 << 30)


def test_a_device_kind_is_known_in_this_room_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module, known = TwoDevices(), torch.get_device_module
    monkeypatch.setattr(torch, "get_device_module", lambda kind: module if kind == "xpu" else known(kind))
    device = torch.device("xpu", 1)
    if not torch.cuda.is_available():
        assert (pick_device().type, all_devices()) == ("xpu", ["xpu:0", "xpu:1"])
    assert (pick_device("xpu:1"), visible_devices(device)) == (device, 2)
    assert (use_device(device), module.chosen) == ("uuid 1", device)
    assert (device_name(device), memory_bytes(device)) == ("Max 1550 number 1", 48 << 30)
    assert group_device(kind_of(device).group_backend).type == "xpu"


def test_a_group_without_gpus_exchanges_tensors_of_the_cpu() -> None:
    assert [group_device(backend).type for backend in ("nccl", "gloo")] == ["cuda", "cpu"]
    assert visible_devices(torch.device("cpu")) == visible_devices(torch.device("mps")) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_auto_prefers_the_gpu() -> None:
    assert pick_device(None).type == "cuda"


TF32 = """
import torch
from dinobench.runtime.device import prepare_device
prepare_device(torch.device("cuda"))
print(torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision())
"""


def test_float32_on_cuda_is_no_tf32() -> None:
    done = subprocess.run([sys.executable, "-c", TF32], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "highest"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_products_and_convolutions_on_the_gpu_keep_float32() -> None:
    cuda = torch.device("cuda")
    prepare_device(cuda)
    generator = torch.Generator().manual_seed(0)
    image, kernel = torch.randn(2, 3, 64, 64, generator=generator), torch.randn(384, 3, 16, 16, generator=generator)
    rows = torch.randn(256, 384, generator=generator)
    for run in (
        lambda where: torch.nn.functional.conv2d(image.to(where), kernel.to(where), stride=16),
        lambda where: rows.to(where) @ rows.to(where).T,
    ):
        exact = run(torch.device("cpu"))
        assert (run(cuda).cpu() - exact).abs().max() < 2e-6 * exact.abs().max()
