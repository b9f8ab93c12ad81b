from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.data.dataset import from_files
from dinobench.features import extract as extract_module
from dinobench.features.entry import Entry
from dinobench.features.extract import ExtractionSettings, extract_features
from dinobench.features.names import Column
from dinobench.features.store import FeatureStore
from dinobench.runtime.errors import InputError
from tests.features.conftest import PREPROCESSING


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store", shard_rows=5)


class Counter:
    """Counts the images that went through the network."""

    def __init__(self, monkeypatch, stop_after=None):
        self.images, self.stop_after = 0, stop_after
        forward = extract_module.Extractor.__call__

        def counting(extractor, pixels, *rest):
            self.images += len(pixels)
            if self.stop_after is not None and self.images > self.stop_after:
                raise KeyboardInterrupt
            return forward(extractor, pixels, *rest)

        monkeypatch.setattr(extract_module.Extractor, "__call__", counting)


def test_equals_extraction_in_memory(store, model, images):
    found = store.features(model, images, "cls.2+mean", ExtractionSettings(batch_size=2))
    wanted = extract_features(model.backbone, PREPROCESSING, images, "cls.2+mean")
    torch.testing.assert_close(found.tensor(), wanted)
    assert found.rows.tolist() == list(range(23))


def test_extracts_once_and_new_columns_alone(store, model, images, monkeypatch):
    counter = Counter(monkeypatch)
    first = store.features(model, images).tensor()
    assert counter.images == 23
    assert torch.equal(store.features(model, images).tensor(), first)
    assert counter.images == 23
    both = store.features(model, images, "cls+mean")
    assert counter.images == 46
    torch.testing.assert_close(both.only("cls").tensor(), first)
    assert len(store.entries()) == 1
    assert store.entries()[0].columns() == {"cls.1": 5, "mean.1": 5}


def test_resumes_where_it_stopped(store, model, images, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        Counter(patch, stop_after=12)
        store.features(model, images, settings=ExtractionSettings(batch_size=5))
    assert store.entries()[0].columns() == {"cls.1": 2}
    counter = Counter(monkeypatch)
    found = store.features(model, images)
    assert counter.images == 13
    torch.testing.assert_close(found.tensor(), extract_features(model.backbone, PREPROCESSING, images))


@pytest.mark.parametrize(
    "change",
    [
        lambda model, images: (model, images.subset(range(22))),
        lambda model, images: (model, dataclasses.replace(images, labels=images.labels[::-1])),
        lambda model, images: (model, dataclasses.replace(images, names=("other.png", *images.names[1:]))),
        lambda model, images: (
            dataclasses.replace(model, preprocessing=dataclasses.replace(PREPROCESSING, mean=(0, 0, 0))),
            images,
        ),
    ],
)
def test_anything_else_is_another_entry(store, model, images, change):
    store.features(model, images)
    store.features(*change(model, images))
    assert len(store.entries()) == 2


def test_other_weights_or_precision_are_other_entries(store, model, images):
    store.features(model, images)
    store.features(model, images, settings=ExtractionSettings(precision="bf16"))
    with torch.no_grad():
        model.backbone.embed.bias.add_(1)
    store.features(dataclasses.replace(model), images)
    assert len(store.entries()) == 3


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "commit"])
def test_damage_is_found_said_and_repaired(store, model, images, monkeypatch, capsys, damage):
    before = store.features(model, images).tensor()
    path = store.entries()[0].path(2, "cls.1")
    if damage == "flip":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "remove":
        path.unlink()
    else:
        path.with_name("00002.json").write_text("{")
    counter = Counter(monkeypatch)
    torch.testing.assert_close(store.features(model, images).tensor(), before)
    assert counter.images == 5
    if damage != "commit":
        assert "00002.cls.1.npy is damaged" in capsys.readouterr().err


def test_unreadable_images_are_counted_and_left_out(store, model, images, tmp_path):
    for index in range(12):
        images.read(index).save(tmp_path / f"{index:02d}.png")
    for index in (3, 5, 6, 7, 8, 9):
        (tmp_path / f"{index:02d}.png").write_bytes(b"no image")
    files = from_files("toy", tmp_path, [f"{index:02d}.png" for index in range(12)], [0] * 12, ["a"])
    found = store.features(model, files)
    assert sorted(found.unreadable) == [3, 5, 6, 7, 8, 9]
    assert "03.png" in found.unreadable[3]
    assert found.rows.tolist() == [0, 1, 2, 4, 10, 11]
    wanted = extract_features(model.backbone, PREPROCESSING, images.subset([0, 1, 2, 4, 10, 11]))
    torch.testing.assert_close(found.tensor(), wanted)
    with pytest.raises(InputError, match="none of 1 images can be read"):
        store.features(model, files.subset([3]))


def test_features_that_are_not_finite_are_refused(store, model, images):
    with torch.no_grad():
        model.backbone.embed.bias.fill_(float("nan"))
    with pytest.raises(InputError, match=r"5 images are not finite, first 0\.png"):
        store.features(model, images)


def test_a_full_disk_loses_nothing_written(store, model, images, monkeypatch):
    save, written = np.save, []

    def full(stream, values):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(values)
        save(stream, values)

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(InputError, match="No space left on device"):
            store.features(model, images)
    assert store.entries()[0].columns() == {"cls.1": 2}
    assert not list(store.folder.rglob("*.tmp"))
    counter = Counter(monkeypatch)
    store.features(model, images)
    assert counter.images == 13


def test_waits_for_the_process_that_holds_a_shard(store, model, images, capsys):
    store.features(model, images)
    (entry,) = store.entries()
    (entry.folder / "00003.json").unlink()
    lock = entry.lock(3)
    release = threading.Timer(0.5, lock.release)
    release.start()
    found = store.features(model, images)
    release.join()
    torch.testing.assert_close(found.tensor(), extract_features(model.backbone, PREPROCESSING, images))
    assert "another process computes features of toy/train by tiny" in capsys.readouterr().err


def _fill(folder, model, images, counts):
    torch.set_num_threads(1)
    done = []
    original = extract_module.Extractor.__call__
    extract_module.Extractor.__call__ = lambda self, x, *rest: done.append(len(x)) or original(self, x, *rest)
    FeatureStore(folder, shard_rows=2).features(model, images, settings=ExtractionSettings(batch_size=2, workers=1))
    counts.put(sum(done))


def test_two_processes_share_the_work(tmp_path, model, images):
    context = multiprocessing.get_context("fork")
    counts = context.Queue()
    processes = [context.Process(target=_fill, args=(tmp_path, model, images, counts)) for _ in range(2)]
    for process in processes:
        process.start()
    total = sum(counts.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert total == 23
    found = FeatureStore(tmp_path, shard_rows=2).features(model, images)
    torch.testing.assert_close(found.tensor(), extract_features(model.backbone, PREPROCESSING, images))


def test_refuses_an_empty_set(store, model, images):
    with pytest.raises(InputError, match="no image"):
        store.features(model, images.subset([]))


def test_an_image_that_reads_later_is_no_row_of_zeros(store, model, tmp_path):
    """A file that failed once: its row of one column must not come back as zeros when another column reads it."""
    paths = _files(tmp_path)
    whole = paths[3].read_bytes()
    paths[3].write_bytes(b"cut")
    images = from_files("toy/train", tmp_path, [path.name for path in paths], [0] * len(paths), ("a",))
    assert list(store.features(model, images).unreadable) == [3]
    paths[3].write_bytes(whole)
    assert store.features(model, images, "mean").unreadable == {}
    found = store.features(model, images)
    assert found.unreadable == {}
    torch.testing.assert_close(found.tensor(), extract_features(model.backbone, PREPROCESSING, images))
    assert found.tensor()[3].abs().max() > 0


def test_commits_that_may_have_forgotten_unreadable_images_are_filled_again(store, model, images):
    store.features(model, images, "cls+mean")
    entry = store.entries()[0]
    for path in entry.folder.glob("0*.json"):
        content = json.loads(path.read_text())
        del content["version"]
        path.write_text(json.dumps(content))
    assert entry.columns() == {}
    assert len(store.features(model, images, "cls+mean")) == 23


def test_features_that_cannot_be_compared_are_refused_and_zeros_counted(store, model, images):
    last = model.backbone.blocks[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    assert store.features(dataclasses.replace(model), images).zero == {"cls.1": 23}
    with torch.no_grad():
        last.bias.fill_(1e20)
    with pytest.raises(InputError, match=r"too large to be compared.*0\.png"):
        store.features(dataclasses.replace(model), images)


def test_what_is_pruned_or_damaged_while_it_is_read_is_one_line(store, model, images):
    found = store.features(model, images)
    found.shards[0].files[0].write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(InputError, match="removed meanwhile, or damaged"):
        found.tensor()
    store.entries()[0].remove()
    with pytest.raises(InputError, match="removed meanwhile, or damaged"):
        found.take(np.arange(3))


def test_a_store_that_may_only_be_read_is_used_and_not_pruned(store, model, images, monkeypatch):
    first = store.features(model, images).tensor()

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refuse)
    assert torch.equal(store.features(model, images).tensor(), first)
    monkeypatch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
    with pytest.raises(InputError, match="cannot remove"):
        store.entries()[0].remove()


def _files(folder):
    rng = np.random.default_rng(0)
    paths = [folder / f"{index}.png" for index in range(7)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    return paths


def test_a_shard_that_another_process_writes_again_is_not_discarded(tmp_path) -> None:
    """The other one holds the shard's lock, and mends the file before it lets go."""
    entry = Entry.create(tmp_path / "entry", {"images": 3, "shard_rows": 3})
    entry.write(0, {Column("cls", 1): np.ones((3, 2), np.float32)}, {})
    file = entry.path(0, "cls.1")
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    lock = entry.lock(0)
    assert lock is not None
    found = []
    waiting = threading.Thread(target=lambda: found.append(entry.discard_damaged()))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    file.write_bytes(whole)
    lock.release()
    waiting.join(10)
    assert found == [[]]
    assert file.read_bytes() == whole
