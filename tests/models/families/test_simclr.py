"""SimCLR's layers as TensorFlow numbers them: in the order in which the network makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.resnet import ResNet, ResNetShape
from dinobench.models.networks.selective_kernels import SelectiveBlock, selective_network
from dinobench.runtime.errors import InputError
from tests.models.checkpoints import images, randomized

FIFTY = (3, 4, 6, 3)


def layers_in_order(network: nn.Module) -> list[nn.Module]:
    """Convolutions and norms as they are made: the stem, then of each block the shortcut first."""
    found = [module for name, module in network.named_modules() if not name.startswith("layer")]
    for stage in (1, 2, 3, 4):
        for block in network.get_submodule(f"layer{stage}").children():
            parts = dict(block.named_children())
            first = parts.pop("downsample", None)
            found += [module for part in (first, *parts.values()) if part is not None for module in part.modules()]
    return [module for module in found if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))]


def tensorflow_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """The network's tensors under TensorFlow's names, with what stands beside them in a checkpoint."""
    arrays = {"head_contrastive/nl_0/dense/kernel": torch.ones(3, 3), "global_step": torch.tensor(7)}
    numbers = {"conv2d": 0, "batch_normalization": 0}
    for module in layers_in_order(network):
        kind = "conv2d" if isinstance(module, nn.Conv2d) else "batch_normalization"
        place = f"base_model/{kind}{f'_{numbers[kind]}' if numbers[kind] else ''}/"
        numbers[kind] += 1
        if isinstance(module, nn.Conv2d):
            arrays[f"{place}kernel"] = module.weight.permute(2, 3, 1, 0)
        else:
            arrays |= {f"{place}gamma": module.weight, f"{place}beta": module.bias}
            arrays |= {f"{place}moving_mean": module.running_mean, f"{place}moving_variance": module.running_var}
    return {name: tensor.detach().contiguous().numpy() for name, tensor in arrays.items()}


@pytest.mark.parametrize("name", ["resnet50", "resnet50w1_sk"])
def test_numbered_layers_become_the_network_that_made_them(name: str, tmp_path: Path) -> None:
    made = selective_network(name) or ResNet(ResNetShape(FIFTY, same="same-pool"))
    network, x = randomized(made), images(64)
    np.savez(tmp_path / "model.npz", **tensorflow_arrays(network))
    loaded = load_backbone(str(tmp_path / "model.npz"))
    assert (loaded.family, loaded.architecture) == ("simclr", name)
    assert loaded.preprocessing.mean == (0.0, 0.0, 0.0)
    with torch.no_grad():
        torch.testing.assert_close(loaded.backbone(x).cls, network(x).cls, rtol=1e-5, atol=1e-5)


def test_a_checkpoint_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    arrays = tensorflow_arrays(randomized(ResNet(ResNetShape(FIFTY))))
    del arrays["base_model/conv2d_52/kernel"]
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(InputError, match="52 convolutions make no ResNet of SimCLR"):
        load_backbone(str(tmp_path / "model.npz"))


def test_a_selective_kernel_mixes_its_two_streams_by_shares_that_sum_to_one() -> None:
    block = randomized(SelectiveBlock(8, 4, shortcut=True)).eval()
    nn.init.zeros_(block.mix.weight)  # then both streams count alike
    x = torch.rand(1, 8, 6, 6)
    one, two = block.pair(block.reduce(x)).chunk(2, dim=1)
    padded = F.pad(x, (0, 1, 0, 1), mode="replicate")
    assert block(x).shape == (1, 16, 6, 6)
    inner = F.avg_pool2d(padded, 2, 1)[..., :5, :5]
    expected = F.relu(block.expand((one + two) / 2)[..., :5, :5] + block.downsample(inner))
    torch.testing.assert_close(block(x)[..., :5, :5], expected)
