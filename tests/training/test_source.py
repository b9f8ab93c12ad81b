"""Training from a stream: parquet shards in a folder, read through `datasets` without a network."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.data.dataset import from_files
from dinobench.data.stream import open_stream
from dinobench.runtime.errors import InputError
from dinobench.training.batches import BatchPlan
from dinobench.training.checkpoints import load
from dinobench.training.run import train
from dinobench.training.source import TrainingImages, stream_requests
from dinobench.training.training_run import TrainingRun

datasets = pytest.importorskip("datasets")
TINY = {"architecture": "vit_mini/8", "global_size": 16, "local_size": 8, "local_crops": 1, "out_dim": 32,
        "head_hidden": 16, "head_bottleneck": 8, "batch_size": 4, "epochs": 2, "warmup_epochs": 0, "workers": 0,
        "streaming": True, "shuffle_buffer": 5, "epoch_images": 14, "save_minutes": 1e-9, "log_every": 1}  # fmt: skip


@pytest.fixture(autouse=True)
def without_the_pause_of_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` waits five seconds after every pass over a stream, for its threads at the interpreter's end."""
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0, raising=False)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (14, 20, 20, 3), dtype=np.uint8)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    columns = {"image": [Image.fromarray(image) for image in pixels], "label": [0] * 14}
    table = datasets.Dataset.from_dict(columns, features=features)
    for shard in range(4):
        table.shard(4, shard).to_parquet(folder / f"train-{shard:05d}-of-00004.parquet")
    return folder


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_an_epoch_holds_every_image_once_over_all_processes(shards, processes):
    stream = open_stream(str(shards), "train")

    def order(epoch: int) -> list[list[bytes]]:
        return [list(stream.encoded(seed=0, epoch=epoch, buffer=5, rank=rank, processes=processes)) for rank in ranks]

    ranks = range(processes)
    orders = [order(0), order(1)]
    for parts in orders:
        assert len({image for part in parts for image in part}) == sum(map(len, parts)) == 14
    assert orders[0] != orders[1]
    assert order(1) == orders[1]


def test_resuming_anywhere_gives_the_rest(shards):
    stream = open_stream(str(shards), "train")
    plan = BatchPlan(images=14, batch_size=4, epochs=2, seed=3, accumulation=2)
    whole = list(stream_requests(stream, plan, plan.requests(), 0, 5))
    assert len(whole) == 12
    assert all(len(request.encoded) == len(request.indices) == 2 for request in whole)
    for step in range(plan.steps + 1):
        assert list(stream_requests(stream, plan, plan.requests(step), step, 5)) == whole[2 * step :]


def test_a_streamed_run_resumes_exactly(shards, tmp_path, monkeypatch):
    def weights(folder: Path) -> dict[str, torch.Tensor]:
        return load(folder / "checkpoint.pth")["student"]

    whole = weights(train("mini", f"hf:{shards}", tmp_path / "whole", settings=TINY, device="cpu"))
    original = TrainingRun._save_checkpoint

    def save_and_stop(self: TrainingRun) -> None:
        original(self)
        if self.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "_save_checkpoint", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train("mini", f"hf:{shards}", tmp_path / "run", settings=TINY, device="cpu")
    monkeypatch.setattr(TrainingRun, "_save_checkpoint", original)
    resumed = weights(train("mini", f"hf:{shards}", tmp_path / "run", settings=TINY, device="cpu"))
    assert all(torch.equal(value, whole[key]) for key, value in resumed.items())


@pytest.mark.parametrize(
    ("data", "changes", "words"),
    [
        ("hf", {"epoch_images": 0}, "say --set epoch_images=NUMBER"),
        ("digits", {}, "streaming reads hf:NAME, not digits"),
        ("hf", {"streaming": False}, "epoch_images belongs to streaming"),
        ("hf", {"in_channels": 4, "mean": [0.5] * 4, "std": [0.5] * 4, "jitter_probability": 0.0,
                "grayscale_probability": 0.0}, "streams hold RGB"),
        ("hf:/nowhere/at/all", {}, "cannot stream hf:/nowhere/at/all"),
    ],
)  # fmt: skip
def test_what_cannot_be_streamed_is_one_line(shards, tmp_path, data, changes, words):
    spec = f"hf:{shards}" if data == "hf" else data
    with pytest.raises(InputError, match=words) as caught:
        train("mini", spec, tmp_path / "run", settings={**TINY, **changes}, device="cpu")
    assert "\n" not in str(caught.value)


def test_images_that_changed_after_the_checkpoint_are_counted(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"as it was")
    checkpoint = tmp_path / "checkpoint.pth"
    checkpoint.touch()
    later = time.time() + 3600
    os.utime(checkpoint, (later, later))
    source = TrainingImages(None, {}, None, None, images=from_files("few", tmp_path, ["a.png", "b.png"], [-1, -1], ()))
    assert source.changed_line(checkpoint) == ""
    os.utime(tmp_path / "b.png", (later + 1, later + 1))
    assert source.changed_line(checkpoint).startswith("1 of 2 training images changed, or were copied here")
