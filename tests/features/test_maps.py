"""Patch maps: stored, resumed and read block by block like any feature, in fp32 or fp16, at any input size."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
import torch

from dinobench.data.dataset import from_files
from dinobench.data.transforms import evaluation_transform, normalize
from dinobench.features import entry as entry_module
from dinobench.features import maps as maps_module
from dinobench.features.extract import ExtractionSettings, Extractor
from dinobench.features.maps import MapSettings, row_size
from dinobench.features.names import parse_maps
from dinobench.features.preparation import Preparation, stretched
from dinobench.features.store import FeatureStore
from dinobench.models.networks.build import build_backbone
from dinobench.runtime.errors import InputError
from tests.features.conftest import PREPROCESSING

HOW = ExtractionSettings(batch_size=2)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(maps_module, "SHARD_BYTES", 5 * 4 * 4 * 6 * 4)  # five maps of 4 x 4 x 6 fp32
    return FeatureStore(tmp_path / "store")


def _one_by_one(backbone, images):
    p = PREPROCESSING
    transform = evaluation_transform(p.size, p.resize, p.interpolation, p.mean, p.std)
    with torch.no_grad():
        return torch.cat([backbone(transform(images.read(index))[None]).patches for index in range(len(images))])


def test_equal_one_image_at_a_time(store, model, images):
    found = store.maps(model, images, settings=HOW)
    assert (found.shape, found.dtype, len(found.shards)) == ((23, 4, 4, 6), torch.float32, 5)
    wanted = _one_by_one(model.backbone, images)
    torch.testing.assert_close(found.tensor(), wanted)
    torch.testing.assert_close(found.between(3, 11), wanted[3:11])
    torch.testing.assert_close(found.take(np.array([0, 7, 22])), wanted[[0, 7, 22]])
    assert len(found.between(20, 40)) == 3
    assert [len(block) for block in found.blocks(1)] == [5, 5, 5, 5, 3]


def test_layers_stand_side_by_side_and_are_extracted_once(store, model, images, monkeypatch):
    both = store.maps(model, images, "patches.2+patches", HOW)
    assert both.shape == (23, 4, 4, 12)

    def never(*arguments):
        raise AssertionError("extracted again")

    monkeypatch.setattr(Extractor, "__call__", never)
    torch.testing.assert_close(store.maps(model, images, "patches", HOW).tensor(), both.tensor()[..., 6:])
    torch.testing.assert_close(both.only("patches.2").tensor(), both.tensor()[..., :6])


def test_half_the_space_in_fp16_and_another_entry(store, model, images):
    exact = store.maps(model, images, settings=HOW).tensor()
    half = store.maps(model, images, settings=HOW, kept=MapSettings("fp16"))
    assert half.dtype == torch.float16
    assert torch.equal(half.tensor(), exact.half())
    sizes = [row_size(model, half.columns, MapSettings(numbers), HOW).bytes for numbers in ("fp32", "fp16")]
    assert sizes == [4 * 4 * 6 * 4, 4 * 4 * 6 * 2]
    assert len(store.entries()) == 2


def test_values_that_fp16_does_not_hold_are_refused(store, model, images):
    with torch.no_grad():
        model.backbone.blocks[-1].bias.fill_(1e5)
    with pytest.raises(InputError, match=r"above 65504.*keep them in fp32"):
        store.maps(dataclasses.replace(model), images, settings=HOW, kept=MapSettings("fp16"))


def test_whole_images_of_any_size_that_is_said(store, model, images):
    found = store.maps(model, images, settings=HOW, kept=MapSettings(preparation=stretched(12, 20)))
    assert found.shape == (23, 3, 5, 6)
    image = normalize(images.read(4).resize((20, 12), 3), PREPROCESSING.mean, PREPROCESSING.std)
    with torch.no_grad():
        torch.testing.assert_close(found.between(4, 5), model.backbone(image[None]).patches)
    larger = dataclasses.replace(model, preprocessing=PREPROCESSING.at(32))
    assert store.maps(larger, images, settings=HOW).shape == (23, 8, 8, 6)
    varying = Preparation("as they are", lambda index, image: image)
    with pytest.raises(InputError, match="as they are gives images of varying size"):
        store.maps(model, images, settings=HOW, kept=MapSettings(preparation=varying))


def test_resumes_where_it_stopped(store, model, images, monkeypatch):
    forward, seen = Extractor.__call__, []

    def stopping(extractor, pixels, multiple):
        seen.append(len(pixels))
        if sum(seen) > 14:
            raise KeyboardInterrupt
        return forward(extractor, pixels, multiple)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Extractor, "__call__", stopping)
        store.maps(model, images, settings=HOW)
    kept = store.entries()[0].columns()
    assert kept == {"patches.1": 2}
    torch.testing.assert_close(store.maps(model, images, settings=HOW).tensor(), _one_by_one(model.backbone, images))


def test_keys_are_those_of_the_last_attention(model, images, tmp_path):
    backbone = build_backbone("vit_mini/4", image_size=16).eval()
    caught = []
    backbone.blocks[-1].attn.qkv.register_forward_hook(lambda *call: caught.append(call[2]))
    pixels = torch.randn(2, 3, 16, 24)
    with torch.no_grad():
        backbone(pixels)
        keys = backbone.key_map(pixels)
    dim = backbone.dim
    torch.testing.assert_close(keys, caught[0][:, 1:, dim : 2 * dim].unflatten(1, (4, 6)))
    vit = dataclasses.replace(model, backbone=backbone)
    assert FeatureStore(tmp_path).maps(vit, images, "keys+patches", HOW).shape == (23, 4, 4, 2 * dim)
    with pytest.raises(InputError, match="keys of TinyBackbone are not known; take patches"):
        FeatureStore(tmp_path).maps(model, images, "keys", HOW)


def test_images_that_cannot_be_read_have_no_map(store, model, images, tmp_path):
    for index in range(7):
        images.read(index).save(tmp_path / f"{index}.png")
    (tmp_path / "3.png").write_bytes(b"no image")
    files = from_files("toy", tmp_path, [f"{index}.png" for index in range(7)], [0] * 7, ["a"])
    found = store.maps(model, files, settings=HOW)
    assert (found.shape[0], found.rows.tolist(), list(found.unreadable)) == (6, [0, 1, 2, 4, 5, 6], [3])
    wanted = _one_by_one(model.backbone, images.subset([0, 1, 2, 4, 5, 6]))
    torch.testing.assert_close(found.tensor(), wanted)
    torch.testing.assert_close(found.between(2, 5), wanted[2:5])


def test_large_files_are_read_to_be_checked_only_where_they_were_written_again(store, model, images, monkeypatch):
    monkeypatch.setattr(entry_module, "_LARGE", 0)
    read, sha256_file = [], entry_module.sha256_file
    whole = store.maps(model, images, settings=HOW).tensor()
    monkeypatch.setattr(entry_module, "sha256_file", lambda path: (read.append(path), sha256_file(path))[1])
    store.maps(model, images, settings=HOW)
    assert not read
    (entry,) = store.entries()
    assert entry.damaged() == [] and len(read) == 5
    entry.path(2, "patches.1").write_bytes(b"damaged")
    torch.testing.assert_close(store.maps(model, images, settings=HOW).tensor(), whole)
    times = entry.path(3, "patches.1").stat()
    content = bytearray(entry.path(3, "patches.1").read_bytes())
    content[-1] ^= 1
    entry.path(3, "patches.1").write_bytes(content)
    os.utime(entry.path(3, "patches.1"), ns=(times.st_atime_ns, times.st_mtime_ns))
    assert entry.damaged() == [entry.path(3, "patches.1")]


def test_names():
    assert [str(column) for column in parse_maps("patches.4 + keys")] == ["patches.4", "keys.1"]
    for name in ("cls", "patches+cls", "keys.2", "patches.0", ""):
        with pytest.raises(InputError, match="unknown feature of maps"):
            parse_maps(name)
