"""Drawn weights in the layout of each origin load as that family, and are the drawn ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dinobench.models.loading.drawn_file import write_drawn
from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.build import build_backbone
from dinobench.runtime.errors import InputError

FORMS = {
    "byol": ("resnet50", "", ".pth"),
    "simclr": ("resnet50w1_sk", "", ".pth"),
    "swav": ("resnet50", "", ".pth"),
    "moco_v2": ("resnet50", "", ".pth"),
    "multigrain": ("resnet50", "", ".pth"),
    "stc": ("resnet18_stc", "", ".pth"),
    "ct": ("resnet50_ct", "", ".pth"),
    "mast": ("resnet18_mast", "", ".pth"),
    "resnet": ("resnet50", "ResNet, numbered children", ".zip"),
    "supervised_vit": ("vit_tiny/16", "", ".pth"),
    "dinov2": ("vit_tiny/14", "", ".pth"),
    "dinov2_registers": ("vit_tiny_reg4/14", "", ".pth"),
}


@pytest.mark.parametrize("family", FORMS)
def test_a_drawn_file_is_of_its_family_and_holds_the_drawn_network(family: str, tmp_path: Path) -> None:
    architecture, layout, suffix = FORMS[family]
    path = tmp_path / f"drawn{suffix}"
    write_drawn(path, family, architecture, layout=layout, seed=3)
    loaded = load_backbone(str(path))
    assert (loaded.family, loaded.architecture) == (family, architecture)
    torch.manual_seed(3)
    drawn = build_backbone("resnet50w1" if architecture == "resnet50" else architecture).state_dict()
    read = loaded.backbone.state_dict()
    for name, tensor in read.items():
        if not name.endswith("num_batches_tracked"):
            expected = torch.ones_like(tensor) if name.endswith(".gamma") else drawn[name]  # gains of layer scale
            torch.testing.assert_close(tensor, expected, rtol=0, atol=0)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_network_that_is_of_another_kind_than_the_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no layout of family swav"):
        write_drawn(tmp_path / "x.pth", "swav", "vit_mini/4")
    with pytest.raises(InputError, match="checkpoint family"):
        write_drawn(tmp_path / "x.pth", "none", "resnet50")
    assert not list(tmp_path.iterdir())
