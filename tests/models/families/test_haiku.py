"""BYOL's released pickles: Haiku's names, axes and padding; nothing in the file runs."""

from __future__ import annotations

import collections
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.resnet import ResNet, ResNetShape
from dinobench.runtime.errors import InputError
from dinobench.runtime.unpickle import plain_value
from tests.models.checkpoints import images, randomized

FIELDS = "online_params target_params online_state target_state opt_state"


class FlatMapping:
    """Stands for Haiku's, which need not be installed."""

    __slots__ = ("_mapping",)

    def __init__(self, mapping: dict[str, Any]) -> None:
        self._mapping = mapping


def haiku_module(name: str) -> str:
    parts = name.replace("downsample.0", "shortcut_conv").replace("downsample.1", "shortcut_batchnorm").split(".")
    if parts[0] in ("conv1", "bn1"):
        return {"conv1": "initial_conv", "bn1": "initial_batchnorm"}[parts[0]]
    inner = parts[2].replace("bn", "batchnorm")
    inner = inner if inner.startswith("shortcut") else f"{inner[:-1]}_{int(inner[-1]) - 1}"
    return f"block_group_{int(parts[0][-1]) - 1}/~/block_{parts[1]}/~/{inner}"


def haiku_tables(network: ResNet, top: str = "res_net50/~/") -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and state by Haiku's modules."""
    parameters: dict[str, Any] = {}
    state: dict[str, Any] = {}
    for name, tensor in network.state_dict().items():
        module, kind = top + haiku_module(name), name.rpartition(".")[2]
        if tensor.ndim == 4:
            parameters[module] = {"w": tensor.permute(2, 3, 1, 0).numpy()}
        elif kind in ("weight", "bias"):
            axes = tensor.reshape(1, 1, 1, -1).numpy()
            parameters.setdefault(module, {})["scale" if kind == "weight" else "offset"] = axes
        elif kind.startswith("running"):
            average = tensor.reshape(1, 1, 1, -1).numpy()
            place = f"{module}/~/{kind.removeprefix('running_')}_ema"
            state[place] = {"average": average, "hidden": average + 1, "counter": np.zeros((), "int32")}
    return parameters, state


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The classes that the released files name, under their own modules."""
    tuple_class = collections.namedtuple("_ByolExperimentState", FIELDS)
    for name in ("haiku", "haiku._src", "haiku._src.data_structures", "byol", "byol.byol_experiment"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for kind, module in ((FlatMapping, "haiku._src.data_structures"), (tuple_class, "byol.byol_experiment")):
        monkeypatch.setattr(kind, "__module__", module)
        setattr(sys.modules[module], kind.__name__, kind)
    return tuple_class


def test_the_online_network_of_a_released_byol_file_loads(released: Any, tmp_path: Path) -> None:
    network = randomized(ResNet(ResNetShape((3, 4, 6, 3), planes=8, stem=8, same="same")))
    parameters, state = haiku_tables(network)
    other = {module: {name: value + 1 for name, value in table.items()} for module, table in parameters.items()}
    experiment = released(*map(FlatMapping, (parameters, other, state, state)), {"momentum": FlatMapping(parameters)})
    path = tmp_path / "pretrain.pkl"
    path.write_bytes(
        pickle.dumps({"experiment_state": experiment, "step": 7, "rng": np.zeros(2, "uint32")}, protocol=2)
    )
    loaded = load_backbone(str(path))
    assert (loaded.family, loaded.architecture) == ("byol", "resnet50")
    x = images(65)
    with torch.no_grad():
        torch.testing.assert_close(loaded.backbone(x).cls, network(x).cls, rtol=1e-6, atol=1e-6)


class Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_a_payload_in_such_a_pickle_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"online_params": Payload(tmp_path / "mark")}, protocol=2))
    with pytest.raises(InputError, match="not a pickle of plain arrays"):
        load_backbone(str(path))
    assert not (tmp_path / "mark").exists()


class _FilledTable:
    """Pickles as a call of OrderedDict with items, whose keys no check would see."""

    def __reduce__(self) -> tuple[Any, ...]:
        return collections.OrderedDict, ([("a", 1)],)


def test_a_table_takes_no_items_in_its_call() -> None:
    libraries = frozenset({"collections"})
    assert plain_value(pickle.dumps(collections.OrderedDict(a=1), protocol=2), libraries) == {"a": 1}
    with pytest.raises(TypeError):
        plain_value(pickle.dumps(_FilledTable(), protocol=2), libraries)
