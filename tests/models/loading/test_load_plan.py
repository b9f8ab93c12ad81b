"""A file that says in `args` what its tensors do not is loaded again without settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dinobench.models.loading.load_plan import describe
from dinobench.models.loading.spec import load_backbone


@pytest.mark.parametrize(
    "spec",
    [
        "random:vit_mini/4",
        "random:resnet18",
        "random:convnext_atto",
        "timm:mobilenetv3_small_050",
        "timm:vit_tiny_patch16_224",
    ],
)
def test_what_is_described_loads_as_it_was(spec: str, tmp_path: Path) -> None:
    start = load_backbone(spec, settings={"pretrained": False})
    tensors = {f"backbone.{name}": tensor for name, tensor in start.backbone.state_dict().items()}
    tensors["head.weight"] = torch.zeros(10, start.backbone.dim)
    arguments = describe(start.architecture, start.family, start.backbone, start.preprocessing)
    torch.save({"model": tensors, "args": arguments}, tmp_path / "finetuned.pth")
    again = load_backbone(str(tmp_path / "finetuned.pth"))
    assert again.architecture == start.architecture
    assert again.preprocessing == start.preprocessing
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again.backbone.class_token(image), start.backbone.class_token(image))
