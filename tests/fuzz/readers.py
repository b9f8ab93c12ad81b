"""The readers, each with a valid file that it reads."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
from PIL import Image
from safetensors.numpy import save as safetensors_bytes

from dinobench.cards import load_models, load_tasks, packaged
from dinobench.data.channels import read_channels
from dinobench.data.decode import read_rgb
from dinobench.data.layouts import cifar, inat, revisitop, tarshards
from dinobench.data.layouts._files import read_mat
from dinobench.data.masks import read_labels
from dinobench.evaluators.common.ranking.files import score_retrieval_file
from dinobench.models.loading.container import open_container
from dinobench.results.figures.curves import read_log, series
from dinobench.results.records import read_record
from tests.results.factory import make_record

_PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
_TRUTH = {
    "imlist": ["a", "b", "c"],
    "qimlist": ["q"],
    "gnd": [{"easy": [0], "hard": [1], "junk": np.array([2]), "bbx": [1.0, 2.0, 9.0, 9.0]}],
}
_TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}


@dataclass(frozen=True)
class Reader:
    """A file's name, the bytes of a valid one, and what reads it."""

    name: str
    content: Callable[[], bytes]
    read: Callable[[Path], object]


def _picture(kind: str, mode: str = "RGB", **options: Any) -> Callable[[], bytes]:
    def content() -> bytes:
        stream = io.BytesIO()
        Image.fromarray(_PIXELS).convert(mode).save(stream, kind, **options)
        return stream.getvalue()

    return content


def _saved(save: Callable[[io.BytesIO], object]) -> Callable[[], bytes]:
    def content() -> bytes:
        stream = io.BytesIO()
        save(stream)
        return stream.getvalue()

    return content


def _mat() -> bytes:
    stream = io.BytesIO()
    table = np.array([("x.jpg", 1, 2.0), ("y.jpg", 2, 3.0)], dtype=[("fname", "O"), ("class", "O"), ("bbox_x1", "O")])
    scipy.io.savemat(stream, {"annotations": table, "class_names": np.array(["a", "bc"], "O"), "n": np.eye(2)})
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in {
            "0.png": _picture("PNG")(),
            "0.cls": b"1",
            "1.png": _picture("PNG")(),
            "1.json": b'{"label": 2}',
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.table({"img": [{"bytes": _picture("PNG")(), "path": "a.png"}] * 2, "label": [0, 1]}), stream)
    return stream.getvalue()


def _read_shards(path: Path) -> None:
    images = tarshards.open(path.parent.parent, "train")
    for index in range(len(images)):
        images.read(index)


def _read_batches(path: Path) -> object:
    (path.parent / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    return cifar.open(path.parent, "val")


def _read_parquet(path: Path) -> object:
    from dinobench.data.layouts._parquet import read_parquet

    return read_parquet([path])


def _read_ranks(path: Path) -> object:
    truth = path.with_name("gnd_x.pkl")
    truth.write_bytes(pickle.dumps(_TRUTH))
    return score_retrieval_file(path, truth)


def _read_tensors(path: Path) -> object:
    return {name: tensor.shape for name, tensor in vars(open_container(path)).items() if hasattr(tensor, "shape")}


def _text(value: object) -> Callable[[], bytes]:
    return lambda: json.dumps(value).encode()


_LISTING = {
    "categories": [{"id": 1, "name": "x"}],
    "annotations": [{"image_id": 5, "category_id": 1}],
    "images": [{"id": 5, "file_name": "a/b.jpg"}],
}
_LOG = b'{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.25, "epoch": 1}\n'
_BATCH = {"data": np.zeros((1, 3072), np.uint8), "labels": [3], "filenames": ["x.png"]}

READERS = {
    "pickle": Reader("gnd_x.pkl", lambda: pickle.dumps(_TRUTH, 2), revisitop.read_ground_truth),
    "pickle protocol 5": Reader("gnd_x.pkl", lambda: pickle.dumps(_TRUTH, 5), revisitop.read_ground_truth),
    "pickle protocol 0": Reader("gnd_x.pkl", lambda: pickle.dumps(_TRUTH, 0), revisitop.read_ground_truth),
    "cifar batch": Reader("cifar-10-batches-py/test_batch", lambda: pickle.dumps(_BATCH, 2), _read_batches),
    "ground truth json": Reader(
        "gnd_x.json", _text({**_TRUTH, "gnd": [{"easy": [0], "hard": [1], "junk": [2]}]}), revisitop.read_ground_truth
    ),
    "mat": Reader("x.mat", _mat, read_mat),
    "inat": Reader("val2019.json", _text(_LISTING), inat.read_listing),
    "png": Reader("x.png", _picture("PNG"), read_rgb),
    "jpeg": Reader("x.jpg", _picture("JPEG"), read_rgb),
    "gif": Reader("x.gif", _picture("GIF"), read_rgb),
    "tiff": Reader("x.tif", _picture("TIFF"), read_rgb),
    "webp": Reader("x.webp", _picture("WEBP"), read_rgb),
    "bmp": Reader("x.bmp", _picture("BMP"), read_rgb),
    "mask": Reader("x.png", _picture("PNG", "P"), read_labels),
    "bands": Reader("x.tif", _picture("TIFF", "RGBA"), lambda path: read_channels(path, 4)),
    "array": Reader("x.npy", _saved(lambda stream: np.save(stream, _PIXELS)), lambda path: read_channels(path, 3)),
    "tar": Reader("train/0.tar", _tar, _read_shards),
    "parquet": Reader("test-0.parquet", _parquet, _read_parquet),
    "record": Reader("x.json", lambda: make_record().to_json().encode(), read_record),
    "log": Reader("log.jsonl", lambda: _LOG, lambda path: series(read_log(path), "loss")),
    "rankings json": Reader("ranks.json", _text([["a", "b", "c"]]), _read_ranks),
    "rankings npy": Reader("ranks.npy", _saved(lambda stream: np.save(stream, np.array([[0], [1], [2]]))), _read_ranks),
    "rankings text": Reader("ranks.txt", lambda: b"q a b c\n", _read_ranks),
    "torch zip": Reader("x.pth", _saved(lambda stream: torch.save(_TENSORS, stream)), _read_tensors),
    "torch legacy": Reader(
        "x.pth",
        _saved(lambda stream: torch.save(_TENSORS, stream, _use_new_zipfile_serialization=False)),
        _read_tensors,
    ),
    "safetensors": Reader(
        "x.safetensors",
        lambda: safetensors_bytes({name: tensor.numpy() for name, tensor in _TENSORS.items()}),
        _read_tensors,
    ),
    "npz": Reader(
        "x.npz", _saved(lambda stream: np.savez(stream, **{k: v.numpy() for k, v in _TENSORS.items()})), _read_tensors
    ),
    "model card": Reader(
        "cards/x.toml",
        (packaged("reference_models") / "dino_vits16.toml").read_bytes,
        lambda path: load_models(path.parent),
    ),
    "task card": Reader(
        "cards/x.toml",
        (packaged("tasks") / "knn.toml").read_bytes,
        lambda path: load_tasks(path.parent),
    ),
}
"""By name; files lie in a folder of the reader's own."""
