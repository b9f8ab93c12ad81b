"""A GPU for tests, where there is none: tensors that say they are on "cuda" or "mps" and are computed on the CPU.

What a GPU refuses is refused: an operation between its tensors and those of the CPU, NumPy's view of its memory, and on
"mps" float64. So a code path for GPUs can be run, forwards and backwards, its answer held against the CPU's, and a
tensor that was left behind is found. Mixed precision does not reach these tensors, and nothing is said about speed or
about a GPU's own kernels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

# Which take tensors of both; an index may lie on the CPU.
_BETWEEN = {"_to_copy", "copy_", "index", "index_put_", "_index_put_impl_"}


class GpuTensor(torch.Tensor):
    """Claims to be at `place`; `held` has its values."""

    held: torch.Tensor
    place = torch.device("cuda:0")

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> GpuTensor:
        if cls.place.type == "mps" and held.dtype == torch.float64:
            raise TypeError("the MPS framework doesn't support float64")
        shape = torch.empty_strided(held.shape, held.stride(), dtype=held.dtype, device="meta")
        return torch.Tensor._make_subclass(cls, shape)

    @property
    def device(self) -> torch.device:
        return self.place

    @property
    def is_cuda(self) -> bool:
        return self.place.type == "cuda"

    @property
    def is_meta(self) -> bool:
        return False

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.held.numpy()
        raise TypeError(f"can't convert {self.place} device type tensor to numpy")

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)  # as a file's reader finds it who says where it shall lie

    def tolist(self) -> Any:
        return self.held.tolist()

    def item(self) -> Any:
        return self.held.item()

    def __float__(self) -> float:
        return float(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __bool__(self) -> bool:
        return bool(self.held)

    __index__ = __int__

    __torch_function__ = torch._C._disabled_torch_function_impl


class _Gpu(TorchDispatchMode):
    """Makes what is asked for on the GPU."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


class _Numbered(TorchFunctionMode):
    """Says "cuda:0" for "cuda", which only a driver can number."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map(_numbered, (args, kwargs or {}))
        if function is torch.Tensor.cuda:
            return args[0].to(GpuTensor.place)
        if function is torch.Tensor.new_tensor:
            kwargs = {"dtype": args[0].dtype, "device": args[0].device, **kwargs}
            function, args = torch.tensor, args[1:]
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") == GpuTensor.place:
            return function(*args, **{**kwargs, "device": "cpu"}).to(GpuTensor.place)
        return function(*args, **kwargs)


def _numbered(value: Any) -> Any:
    place = GpuTensor.place
    return place if isinstance(value, str | torch.device) and str(value) == place.type else value


def _compute(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    flat = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
    ours = [leaf for leaf in flat if isinstance(leaf, GpuTensor)]
    name = function._schema.name.split("::")[1]
    strangers = [leaf for leaf in flat if not isinstance(leaf, GpuTensor) and leaf.ndim]
    if ours and strangers and name not in _BETWEEN:
        raise RuntimeError(f"{name}: tensors on a GPU and, of {tuple(strangers[0].shape)}, on {strangers[0].device}")
    asked = kwargs.get("device")
    on_gpu = isinstance(args[0], GpuTensor) if name == "copy_" else bool(ours)
    if isinstance(asked, torch.device):
        on_gpu = asked.type != "cpu"
        kwargs = {**kwargs, "device": torch.device("cpu")}
    wrappers = {id(leaf.held): leaf for leaf in ours}
    args, kwargs = tree_map(lambda leaf: leaf.held if isinstance(leaf, GpuTensor) else leaf, (args, kwargs))
    result = function(*args, **{key: value for key, value in kwargs.items() if key != "pin_memory"})

    def on_its_device(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if not on_gpu:
            return leaf.clone() if id(leaf) in wrappers else leaf
        return wrappers[id(leaf)] if id(leaf) in wrappers else GpuTensor(leaf)

    return tree_map(on_its_device, result)


@contextlib.contextmanager
def pretend_gpu(kind: str = "cuda") -> Iterator[None]:
    """Within, torch says that there is a GPU of this kind, "cuda" or "mps"."""
    torch._C._ensureCUDADeviceGuardSet()  # its guards, in backward passes, then ask no driver
    with pytest.MonkeyPatch.context() as patch, _Gpu(), _Numbered():
        patch.setattr(GpuTensor, "place", torch.device(f"{kind}:0"))
        patch.setattr(torch.mps, "is_available", lambda: kind == "mps")
        patch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "device_count", lambda: 1)
        patch.setattr(torch.cuda, "get_device_name", lambda device=None: "pretended GPU")
        for step in ("__enter__", "__exit__"):  # views of weights do not work under the inference mode proper
            patch.setattr(torch.inference_mode, step, getattr(torch.no_grad, step))
        patch.setattr(torch.Tensor, "pin_memory", lambda tensor, device=None: tensor)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            yield
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(False)
