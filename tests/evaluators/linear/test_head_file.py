"""Head files of each origin against what the code that wrote them computes.

The references below restate, from facts, how each release makes the rows that its head reads.
"""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from dinobench.evaluators.linear.evaluate import evaluate
from dinobench.evaluators.linear.head_file import load_head, save_head
from dinobench.evaluators.linear.heads import LinearHead
from dinobench.evaluators.linear.settings import Settings
from dinobench.features.names import parse_feature
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve

DIM, CLASSES, IMAGES = 6, 4, 5


def _layer(width=DIM):
    torch.manual_seed(width)
    return nn.Linear(width, CLASSES)


def _tokens(blocks=4):
    """Class tokens (blocks, B, D), oldest first, and the mean patches of the last block (B, D)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(blocks, IMAGES, DIM, generator=generator), torch.randn(IMAGES, DIM, generator=generator)


def _ours(feature):
    cls, mean = _tokens()
    columns = [cls[-column.layer] if column.kind == "cls" else mean for column in parse_feature(feature)]
    return torch.cat(columns, 1)


def _dino_rows(blocks, average):
    """eval_linear of DINO: class tokens side by side; with the average, stacked on a new last axis and flattened."""
    cls, mean = _tokens()
    rows = torch.cat(list(cls[-blocks:]), 1)
    return torch.stack([rows, mean], 2).flatten(1) if average else rows


def _concatenated_rows(blocks, average):
    """eval_linear of iBOT with `--avgpool_patchtokens 0` or `2`, eval/linear and hub heads of DINOv2 and DINOv3."""
    cls, mean = _tokens()
    return torch.cat([*cls[-blocks:], *([mean] if average else [])], 1)


def _check(path, layer, rows, *, family="", asked="", usual="cls", order="auto"):
    file = load_head(path)
    feature = file.feature_for(asked, usual, DIM)
    head, found = file.concatenated(feature, order, family)
    torch.testing.assert_close(head.scores(_ours(feature)), layer(rows).detach())
    return feature, found


def _save_eval_linear(path, layer):
    state = {f"module.linear.{name}": tensor for name, tensor in layer.state_dict().items()}
    torch.save({"epoch": 100, "state_dict": state, "best_acc": 1.0}, path)
    return path


@pytest.mark.parametrize(("blocks", "average", "usual"), [(1, False, "cls"), (1, True, "cls+mean")])
def test_heads_of_dino(tmp_path, blocks, average, usual):
    layer = _layer(DIM * (blocks + average))
    path = _save_eval_linear(tmp_path / "dino.pth", layer)
    _, order = _check(path, layer, _dino_rows(blocks, average), family="dino", usual=usual)
    assert order == ("interleaved" if average else "concatenated")


@pytest.mark.parametrize("family", ["dino", "ibot"])
def test_heads_of_four_blocks_have_one_order(tmp_path, family):
    layer = _layer(4 * DIM)
    path = _save_eval_linear(tmp_path / "small.pth", layer)
    _check(path, layer, _dino_rows(4, False), family=family, usual="cls.4+cls.3+cls.2+cls.1")


@pytest.mark.parametrize("blocks", [1, 4])
def test_heads_of_ibot_with_the_average(tmp_path, blocks):
    layer = _layer(DIM * (blocks + 1))
    path = _save_eval_linear(tmp_path / "ibot.pth", layer)
    usual = "cls+mean" if blocks == 1 else "cls.4+cls.3+cls.2+cls.1+mean"
    _check(path, layer, _concatenated_rows(blocks, True), family="ibot", usual=usual)


def test_an_order_that_neither_file_nor_family_tells_is_asked_for(tmp_path):
    layer = _layer(2 * DIM)
    path = _save_eval_linear(tmp_path / "head.pth", layer)
    with pytest.raises(InputError, match=r"does not tell in which order.*head_order=interleaved"):
        _check(path, layer, _dino_rows(1, True), family="mae", usual="cls+mean")
    _check(path, layer, _dino_rows(1, True), family="mae", usual="cls+mean", order="interleaved")
    _check(path, layer, _concatenated_rows(1, True), family="dino", usual="cls+mean", order="concatenated")


@pytest.mark.parametrize("blocks", [1, 4])
def test_hub_heads_of_dinov2_and_dinov3_are_concatenated_and_tell_their_feature(tmp_path, blocks):
    layer = _layer(DIM * (blocks + 1))
    torch.save(layer.state_dict(), tmp_path / "head.pth")
    feature, _ = _check(tmp_path / "head.pth", layer, _concatenated_rows(blocks, True), family="dino")
    assert feature == ("cls+mean" if blocks == 1 else "cls.4+cls.3+cls.2+cls.1+mean")
    with pytest.raises(InputError, match="was trained on feature"):
        _check(tmp_path / "head.pth", layer, _concatenated_rows(blocks, True), asked="cls")


@pytest.mark.parametrize(("blocks", "average"), [(1, False), (1, True), (4, True)])
def test_probes_of_dinov2_name_their_feature(tmp_path, blocks, average):
    layer = _layer(DIM * (blocks + average))
    scope = f"classifiers_dict.classifier_{blocks}_blocks_avgpool_{average}_lr_0_00500.linear"
    torch.save({"model": {f"{scope}.{name}": x for name, x in layer.state_dict().items()}}, tmp_path / "probe.pth")
    _check(tmp_path / "probe.pth", layer, _concatenated_rows(blocks, average), family="dino")


def _save_mae(path, layer, **more):
    norm = nn.BatchNorm1d(DIM, eps=1e-6, affine=False)
    norm(3 + 2 * torch.randn(64, DIM, generator=torch.Generator().manual_seed(1)))
    head = nn.Sequential(norm, layer).eval()
    state = {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
    torch.save({"model": {"cls_token": torch.zeros(1, 1, DIM), **state, **more}, "epoch": 89}, path)
    return head


def test_heads_of_mae_have_a_batch_norm(tmp_path):
    head = _save_mae(tmp_path / "mae.pth", _layer())
    feature, _ = _check(tmp_path / "mae.pth", head, _concatenated_rows(1, False), usual="cls+mean")
    assert feature == "cls"
    _save_mae(tmp_path / "pooled.pth", _layer(), **{"fc_norm.weight": torch.ones(DIM)})
    with pytest.raises(InputError, match="before a norm of its own"):
        load_head(tmp_path / "pooled.pth")


@pytest.mark.parametrize("name", ["head", "fc"])
def test_heads_of_moco_stand_beside_the_network(tmp_path, name):
    layer = _layer()
    state = {f"module.{name}.{key}": tensor for key, tensor in layer.state_dict().items()}
    torch.save({"state_dict": {"module.blocks.0.fc.weight": torch.zeros(2, 2), **state}}, tmp_path / "moco.pth")
    assert _check(tmp_path / "moco.pth", layer, _concatenated_rows(1, False), usual="cls+mean")[0] == "cls"


def test_our_own_files_name_their_feature_and_are_concatenated(tmp_path):
    layer = _layer(2 * DIM)
    save_head(tmp_path / "head.safetensors", LinearHead(layer.weight.detach(), layer.bias.detach()), "cls+mean")
    assert _check(tmp_path / "head.safetensors", layer, _concatenated_rows(1, True), family="dino") == (
        "cls+mean",
        "concatenated",
    )


def test_equal_heads_are_equal_files(tmp_path):
    head = LinearHead(torch.arange(12.0).reshape(3, 4), torch.ones(3))
    for number in range(8):
        save_head(tmp_path / f"{number}.safetensors", head, "cls.4", ["caf\xe9", "b", "c"])
    assert len({(tmp_path / f"{number}.safetensors").read_bytes() for number in range(8)}) == 1
    assert torch.equal(load_head(tmp_path / "0.safetensors").head.weight, head.weight)


def test_files_without_one_head_are_refused(tmp_path):
    torch.save({"encoder.weight": torch.zeros(2, 3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"not a linear head.*has encoder\.weight"):
        load_head(tmp_path / "other.pth")


def test_a_released_head_of_vit_base_scores_as_its_code_does(folder_context, tmp_path):
    """A head that reads the class token alone, in DINO's order: as concatenated it would read half of each."""
    folder_context.model = load_backbone("random:vit_mini/4")
    width = folder_context.model.backbone.dim
    weight = torch.zeros(2, 2 * width)
    weight[:, 0::2] = torch.randn(2, width, generator=torch.Generator().manual_seed(3))
    released = {"module.linear.weight": weight, "module.linear.bias": torch.zeros(2)}
    torch.save({"state_dict": released}, tmp_path / "released.pth")
    torch.save({"linear.weight": weight[:, 0::2].clone(), "linear.bias": torch.zeros(2)}, tmp_path / "plain.pth")
    own = {"predictions": True, "head_order": "interleaved"}
    predictions = []
    for name, feature in (("released", "cls+mean"), ("plain", "cls")):
        changes = {**own, "head": str(tmp_path / f"{name}.pth"), "features": [feature]}
        folder_context.settings = resolve(Settings, changes, "test")
        assert evaluate(folder_context).details["feature"] == feature
        predictions.append(pd.read_parquet(folder_context.predictions_file).to_csv())
    assert predictions[0] == predictions[1]
