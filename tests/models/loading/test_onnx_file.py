"""ONNX programs as models: features of the exporting network, the file's bytes as identity, nothing from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from dinobench.cli.main import main
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import sha256_file

SIDE, PATCH, DIM = 32, 8, 6


def network() -> torch.nn.Conv2d:
    torch.manual_seed(0)
    return torch.nn.Conv2d(3, DIM, PATCH, PATCH)


def exported(path: Path, *, batch: int | str = "B", external: str = "") -> Path:
    """The program of `network`: its map, and the mean of the map as pooled output."""
    weights = {name: tensor.detach().numpy() for name, tensor in network().named_parameters()}
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    if external:
        (stored[0].external_data.add().key, stored[0].external_data[0].value) = ("location", external)
        stored[0].data_location = TensorProto.EXTERNAL
        stored[0].ClearField("raw_data")
    nodes = [
        helper.make_node("Conv", ["images", "weight", "bias"], ["map"], strides=[PATCH, PATCH]),
        helper.make_node("GlobalAveragePool", ["map"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["pooled"]),
    ]
    real = TensorProto.FLOAT
    side = SIDE // PATCH
    images = helper.make_tensor_value_info("images", real, [batch, 3, SIDE, SIDE])
    outputs = [
        helper.make_tensor_value_info("map", real, [batch, DIM, side, side]),
        helper.make_tensor_value_info("pooled", real, [batch, DIM]),
    ]
    graph = helper.make_graph(nodes, "g", [images], outputs, stored)
    program = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(program.SerializeToString())
    return path


@pytest.mark.parametrize("batch", ["B", 2])
def test_features_are_those_of_the_exporting_network(tmp_path: Path, batch: int | str) -> None:
    model = load_backbone(str(exported(tmp_path / "net.onnx", batch=batch)))
    images = torch.randn(5, 3, SIDE, SIDE)
    with torch.inference_mode():
        expected, found = network()(images), model.backbone(images)
    torch.testing.assert_close(found.cls, expected.mean((2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.patches, expected.permute(0, 2, 3, 1), atol=1e-5, rtol=0)
    assert (model.backbone.dim, model.backbone.patch_size, model.preprocessing.size) == (DIM, PATCH, SIDE)
    assert model.name == "net" and "feature pooled, patches map" in str(model.choices[0])


def exported_tokens(path: Path) -> Path:
    """A program whose one output is tokens (B, 1 + N, D): first the mean of the patches, then they themselves."""
    weights = {name: tensor.detach().numpy() for name, tensor in network().named_parameters()}
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    stored.append(numpy_helper.from_array(np.array([0, DIM, -1]), "shape"))
    nodes = [
        helper.make_node("Conv", ["images", "weight", "bias"], ["map"], strides=[PATCH, PATCH]),
        helper.make_node("Reshape", ["map", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["patches"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["patches"], ["first"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["first", "patches"], ["tokens"], axis=1),
    ]
    count = 1 + (SIDE // PATCH) ** 2
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["B", 3, SIDE, SIDE])
    tokens = helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["B", count, DIM])
    graph = helper.make_graph(nodes, "g", [images], [tokens], stored)
    program = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(program.SerializeToString())
    return path


def test_tokens_give_the_class_token_and_the_grid_of_patches(tmp_path: Path) -> None:
    model = load_backbone(str(exported_tokens(tmp_path / "net.onnx")))
    images = torch.randn(3, 3, SIDE, SIDE)
    with torch.inference_mode():
        expected, found = network()(images), model.backbone(images)
    torch.testing.assert_close(found.cls, expected.mean((2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.patches, expected.permute(0, 2, 3, 1), atol=1e-5, rtol=0)
    assert "feature the first token or the mean of tokens, patches tokens" in str(model.choices[0])


def test_inspect_says_what_a_program_is(tmp_path: Path) -> None:
    path = exported(tmp_path / "net.onnx")
    done = CliRunner().invoke(main, ["inspect", str(path)])
    assert done.exit_code == 0, done.output
    for fact in ("an ONNX program (onnx)", "outputs: feature pooled, patches map", f"{SIDE} px", sha256_file(path)):
        assert fact in done.output
    assert "matched" not in done.output
    path.write_bytes(b"no program")
    assert CliRunner().invoke(main, ["inspect", str(path)]).exit_code == 2


def test_the_bytes_of_the_file_are_its_identity(tmp_path: Path) -> None:
    path = exported(tmp_path / "net.onnx")
    assert load_backbone(str(path)).sha256 == sha256_file(path)


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd", "sub/weights.bin"])
def test_numbers_outside_the_folder_are_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputError, match="external data"):
        load_backbone(str(exported(tmp_path / "net.onnx", external=place)))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(4 * DIM * 3 * PATCH * PATCH))
    (tmp_path / "a" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(InputError, match="which is not there"):
        load_backbone(str(exported(tmp_path / "a" / "net.onnx", external="weights.bin")))


def test_numbers_in_a_file_beside_it_are_read_and_count_in_its_identity(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(network().weight.detach().numpy().astype(np.float32).tobytes())
    path = exported(tmp_path / "net.onnx", external="weights.bin")
    model = load_backbone(str(path))
    images = torch.randn(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        torch.testing.assert_close(model.backbone(images).cls, network()(images).mean((2, 3)), atol=1e-5, rtol=0)
    assert model.sha256 != sha256_file(path)


def test_without_onnxruntime_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'dinobench\[onnx\]'"):
        load_backbone(str(path))


def test_what_is_no_program_or_a_setting_without_effect_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "net.onnx")
    with pytest.raises(InputError, match="heads = 3 does nothing"):
        load_backbone(str(path), settings={"heads": 3})
    with pytest.raises(InputError, match="takes 32 pixels"):
        load_backbone(str(path), settings={"image_size": 64})
    (tmp_path / "bad.onnx").write_bytes(b"no program at all")
    with pytest.raises(InputError, match=r"bad\.onnx"):
        load_backbone(str(tmp_path / "bad.onnx"))
    assert onnx.load(path).graph.name == "g"
