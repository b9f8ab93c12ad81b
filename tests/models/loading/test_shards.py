"""Folders that people have: of a hub, in shards, of a distributed trainer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from tests.models.broken_files import saved, vit


def shards(folder: Path) -> dict[str, str]:
    """A model in two shards; the index that names them."""
    folder.mkdir(exist_ok=True)
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    places = {name: names[number % 2] for number, name in enumerate(vit())}
    for shard in names:
        save_file({name: tensor for name, tensor in vit().items() if places[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return places


def test_a_hub_folder_is_a_model_under_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "my-vit"
    folder.mkdir()
    save_file(vit(), folder / "model.safetensors")
    facts = {"hidden_size": 128, "num_hidden_layers": 2, "patch_size": 8, "num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps(facts))
    loaded = load_backbone(str(folder))
    assert (loaded.name, loaded.backbone.shape.heads) == ("my-vit", 4)


def test_shards_are_joined_by_their_index(tmp_path: Path) -> None:
    shards(tmp_path / "large")
    whole = load_backbone(str(saved(vit(), tmp_path / "whole.pth")))
    for spec in (tmp_path / "large", tmp_path / "large" / "model.safetensors.index.json"):
        assert load_backbone(str(spec)).sha256 == whole.sha256
    with pytest.raises(InputError, match="is shard 1 of 2; give the folder"):
        load_backbone(str(tmp_path / "large" / "model-00001-of-00002.safetensors"))


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"norm.weight": "../outside.safetensors"}, "not taken as a name"),
        ({"norm.weight": "model-00003-of-00003.safetensors"}, "which is not there"),
        ({"strange": "model-00001-of-00002.safetensors"}, "which lacks it"),
        ({}, "no weight_map"),
        ([1], "no weight_map"),
    ],
)
def test_an_index_that_does_not_fit_is_one_line(places: object, message: str, tmp_path: Path) -> None:
    shards(tmp_path)
    save_file(vit(), tmp_path.parent / "outside.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    with pytest.raises(InputError, match=message):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "tool"),
    [
        (".metadata", r"every \.distcp file"),
        ("__0_0.distcp", r"every \.distcp file"),
        ("checkpoint/mp_rank_00_model_states.pt", r"zero_to_fp32\.py"),
        ("zero_to_fp32.py", r"zero_to_fp32\.py"),
    ],
)
def test_folders_of_distributed_trainers_name_the_tool_that_joins_them(file: str, tool: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(InputError, match=tool):
        load_backbone(str(tmp_path))


def test_a_family_named_by_the_user_needs_no_signs(tmp_path: Path) -> None:
    path = saved(vit(), tmp_path / "backbone.pth")
    assert load_backbone(str(path)).family == "vit"
    assert load_backbone(str(path), settings={"family": "dino"}).family == "dino"
    mae = load_backbone(str(path), settings={"family": "mae"})
    assert (mae.family, mae.backbone.shape.resize) == ("mae", "size")


@pytest.mark.parametrize(("program", "line"), [("module", "torch.load"), ("script", "torch.jit.load")])
def test_whole_programs_name_the_lines_that_save_their_tensors(program: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    if program == "script":
        torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(path)
    else:
        torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(InputError) as caught:
        load_backbone(str(path))
    assert f"module = {line}('x.pth'" in str(caught.value)
    assert "torch.save(module.state_dict(), 'state_dict.pth')" in str(caught.value)
