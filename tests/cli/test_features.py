from __future__ import annotations

import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from dinobench.cli.main import main
from dinobench.evaluators.copy_detection.evaluate import evaluate
from tests.evaluators.toys import context, write_copydays


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    for name, level in (("dark", 40), ("light", 200)):
        folder = tmp_path / "data" / "val" / name
        folder.mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (32, 32), (level + index, level, level)).save(folder / f"{index}.png")

    def invoke(*arguments):
        return CliRunner().invoke(main, ["features", *arguments])

    return invoke


@pytest.fixture
def exported(run, tmp_path):
    def export(name):
        output = tmp_path / name
        done = run("export", "--model", "pixels", "--data", str(tmp_path / "data"), "--output", str(output))
        assert done.exit_code == 0, done.output
        assert "6 x 3072 features of data/val" in done.output
        return output

    return export


def test_every_format_holds_the_same(exported):
    features = np.load(exported("features.npy"))
    assert features.shape == (6, 3072)
    tensors = load_file(exported("features.safetensors"))
    np.testing.assert_array_equal(tensors["features"], features)
    assert tensors["labels"].tolist() == [0, 0, 0, 1, 1, 1]
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(exported("features.parquet")).to_pydict()
    np.testing.assert_array_equal(np.array(table["feature"], np.float32), features)
    assert table["class"] == ["dark"] * 3 + ["light"] * 3


def test_maps_in_every_format(run, tmp_path):
    """24 x 16 px stretched to 16 x 24 give grids of 4 x 6 patches."""
    given = ["--model", "random:vit_mini/4", "--data", str(tmp_path / "data"), "--feature", "patches"]
    given += ["--size", "24x16", "--numbers", "fp16"]
    paths = [tmp_path / f"maps{suffix}" for suffix in (".npy", ".safetensors", ".parquet")]
    foreseen = run("export", *given, "--output", str(paths[0]), "--dry-run")
    assert foreseen.exit_code == 0, foreseen.output
    assert not paths[0].exists() and "0 entries" in run("ls").output
    for path in paths:
        done = run("export", *given, "--output", str(path))
        assert done.exit_code == 0, done.output
        assert "6 x 4 x 6 x 96 features of data/val" in done.output
    maps = np.load(paths[0])
    assert (maps.shape, maps.dtype) == ((6, 4, 6, 96), np.float16)
    assert f"take {maps.nbytes / 1e6:.1f} MB in {tmp_path / 'cache'}" in foreseen.output
    tensors = load_file(paths[1])
    np.testing.assert_array_equal(tensors["features"].numpy(), maps)
    assert tensors["labels"].tolist() == [0, 0, 0, 1, 1, 1]
    pq = pytest.importorskip("pyarrow.parquet")
    column = pq.read_table(paths[2])["feature"].combine_chunks()
    np.testing.assert_array_equal(column.to_numpy_ndarray(), maps)
    assert "fp32, maps of stretched 16 x 24 bicubic in fp16  [patches.1 complete]" in run("ls").output


def test_ls_verify_and_prune(run, exported, tmp_path):
    exported("features.npy")
    listed = run("ls")
    assert "pixels  data/val  6 images  fp32  [cls.1 complete]" in listed.output
    assert "1 entries" in listed.output
    assert run("verify").exit_code == 0
    (shard,) = (tmp_path / "cache").rglob("*.cls.1.npy")
    shard.write_bytes(shard.read_bytes()[:-1])
    broken = run("verify")
    assert broken.exit_code == 1
    assert str(shard) in broken.output
    key = shard.parent.name
    assert run("verify", "nothing").exit_code == 2
    assert "removed 0 entries" in run("prune", "--older-than", "1").output
    os.utime(shard.parent / "entry.json", (0, 0))
    assert "removed 1 entries" in run("prune", "--older-than", "1").output
    assert not shard.parent.exists()
    assert f"unknown entry of the feature store '{key}'" in run("prune", key).output


def test_refusals(run, tmp_path):
    wanted = ("export", "--model", "pixels", "--data", str(tmp_path / "data"), "--output")
    assert "name it *.npy" in run(*wanted, str(tmp_path / "features.mat")).output
    assert run(*wanted, str(tmp_path / "x.npy"), "--feature", "token").exit_code == 2
    assert "cls is a vector" in run(*wanted, str(tmp_path / "x.npy"), "--numbers", "fp16").output
    assert (
        "give --size WIDTHxHEIGHT" in run(*wanted, str(tmp_path / "x.npy"), "--feature", "keys", "--size", "9").output
    )
    assert "unknown feature of maps" in run(*wanted, str(tmp_path / "x.npy"), "--feature", "patches+cls").output
    assert run("prune").exit_code == 2
    assert run("prune", "--all", "--older-than", "1").exit_code == 2


def test_ls_lists_descriptors_of_retrieval_too(run, tmp_path):
    data = write_copydays(tmp_path)
    evaluate(context("copydays", "paper", data, tmp_path / "out", blocks=["strong"]))
    listed = run("ls")
    assert listed.exit_code == 0, listed.output
    assert "pixels" in listed.output and "strong  4 images  fp32" in listed.output
