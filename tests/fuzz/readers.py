"""The readers, each with a valid file that it reads."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
import torch.distributed.checkpoint
from PIL import Image
from safetensors.numpy import save as safetensors_bytes

from dinobench.cards import load_models, load_tasks, packaged
from dinobench.data.channels import read_channels
from dinobench.data.decode import read_rgb
from dinobench.data.layouts import cifar, inat, revisitop, tarshards
from dinobench.data.layouts._files import read_mat
from dinobench.data.lists import open_list
from dinobench.data.masks import read_labels
from dinobench.evaluators.common.low_shot import listed
from dinobench.evaluators.common.ranking.files import score_retrieval_file
from dinobench.models.loading.container import open_container
from dinobench.models.loading.shards import open_checkpoint
from dinobench.results.figures.curves import read_log, series
from dinobench.results.importers import read_davis, read_released_log
from dinobench.results.records import read_record
from dinobench.results.tables.specs import read_table
from dinobench.runtime.files import read_text
from dinobench.training.recipe_files import load_recipe
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


def _read_parquet(path: Path) -> object:
    from dinobench.data.layouts._parquet import read_parquet

    return read_parquet([path])


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

_RECIPE = 'base = "mini"\nsummary = "s"\nlr = 0.004\nepochs = 3\nlocal_scale = [0.1, 0.4]\n[sources]\nlr = "ours"\n'
_TABLE = (packaged("results/published") / "table9.toml").read_bytes
_TEXTS = {"dino-log": '{"train_lr": 0.1, "test_acc1": 61.5, "epoch": 1}\n', "davis": "J&F-Mean,J-Mean\n0.6,0.5\n"}


def _with_neighbours(files: dict[str, bytes], read: Callable[[Path], object]) -> Callable[[Path], object]:
    """The reader, with whole files beside the damaged one."""

    def read_beside(path: Path) -> object:
        for name, data in files.items():
            place = path.parent / name
            place.parent.mkdir(exist_ok=True)
            if not place.exists():
                place.write_bytes(data)
        return read(path)

    return read_beside


_JSON_TRUTH = _text({**_TRUTH, "gnd": [{"easy": [0], "hard": [1], "junk": [2]}]})
_LABEL_NAMES = {"batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}
_read_batches = _with_neighbours(_LABEL_NAMES, lambda path: cifar.open(path.parent, "val"))
_read_ranks = _with_neighbours(
    {"gnd_x.json": _JSON_TRUTH()}, lambda path: score_retrieval_file(path, path.with_name("gnd_x.json"))
)
_IMAGES = {f"{name}.png": _picture("PNG")() for name in "abcd"}
_ROWS = "path,label\n" + "".join(f"{name},{number % 2}\n" for number, name in enumerate(_IMAGES))
_COCO = {
    "images": [{"id": number, "file_name": name} for number, name in enumerate(_IMAGES)],
    "categories": [{"id": 0, "name": "x"}, {"id": 1, "name": "y"}],
    "annotations": [{"image_id": number, "category_id": number % 2} for number in range(len(_IMAGES))],
}


def _distributed() -> tuple[bytes, bytes]:
    """The two files of a folder of torch.distributed.checkpoint: what says where the tensors lie, and the tensors."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.distributed.checkpoint.save({"model": _TENSORS, "epoch": 3}, checkpoint_id=folder, no_dist=True)
        return (Path(folder) / ".metadata").read_bytes(), (Path(folder) / "__0_0.distcp").read_bytes()


_METADATA, _PARTS = _distributed()
_SHARDS = {"x.safetensors": safetensors_bytes({name: tensor.numpy() for name, tensor in _TENSORS.items()})}


READERS = {
    "pickle": Reader("gnd_x.pkl", lambda: pickle.dumps(_TRUTH, 2), revisitop.read_ground_truth),
    "pickle protocol 5": Reader("gnd_x.pkl", lambda: pickle.dumps(_TRUTH, 5), revisitop.read_ground_truth),
    "pickle protocol 0": Reader("gnd_x.pkl", lambda: pickle.dumps(_TRUTH, 0), revisitop.read_ground_truth),
    "cifar batch": Reader("cifar-10-batches-py/test_batch", lambda: pickle.dumps(_BATCH, 2), _read_batches),
    "ground truth json": Reader("gnd_x.json", _JSON_TRUTH, revisitop.read_ground_truth),
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
    "recipe": Reader("x.toml", _RECIPE.encode, lambda path: load_recipe(str(path))),
    "table card": Reader(
        "x.toml", _TABLE, _with_neighbours({"table9_batch_size.csv": b"batch_size,knn\n1,2\n"}, read_table)
    ),
    "image list": Reader("x.csv", _ROWS.encode, _with_neighbours(_IMAGES, lambda path: open_list(path, "train"))),
    "coco list": Reader("x.json", _text(_COCO), _with_neighbours(_IMAGES, lambda path: open_list(path, "train"))),
    "low-shot list": Reader("x.txt", lambda: b"n1/a.jpg\nb.jpg\n", lambda path: listed(["n1/a.jpg", "n2/b.jpg"], path)),
    "log of others": Reader("log.txt", _TEXTS["dino-log"].encode, lambda path: read_released_log(read_text(path), "x")),
    "table of others": Reader("r.csv", _TEXTS["davis"].encode, lambda path: read_davis(read_text(path), "x")),
    "shard index": Reader(
        "m.index.json",
        _text({"weight_map": dict.fromkeys(_TENSORS, "x.safetensors")}),
        _with_neighbours(_SHARDS, open_checkpoint),
    ),
    "distributed metadata": Reader(
        ".metadata", lambda: _METADATA, _with_neighbours({"__0_0.distcp": _PARTS}, open_checkpoint)
    ),
    "distributed parts": Reader(
        "__0_0.distcp",
        lambda: _PARTS,
        _with_neighbours({".metadata": _METADATA}, lambda path: open_checkpoint(path.with_name(".metadata"))),
    ),
    "task card": Reader(
        "cards/x.toml",
        (packaged("tasks") / "knn.toml").read_bytes,
        lambda path: load_tasks(path.parent),
    ),
}
"""By name; files lie in a folder of the reader's own."""
