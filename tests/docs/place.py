"""What the commands of README and docs name, in small: checkpoints, photographs, sets in their layouts, records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

import dinobench
from dinobench.data.imagenet_classes import wnids
from dinobench.data.registry import get_twin
from dinobench.evaluators.linear.head_file import save_head
from dinobench.evaluators.linear.heads import LinearHead
from tests.evaluators.toys import write_copydays
from tests.evaluators.videos import write_davis

NETWORK = "random:vit_tiny/16"
TWINS = {
    "camvid": ("camvid",),
    "flowers": ("flowers-102",),
    "cars": ("stanford_cars",),
    "nyu": ("nyu",),
    "kitti": ("path/to/kitti",),
    "navi": ("navi_v1",),
    "spair": ("spair", "SPair-71k"),
    "ytvos": ("path/to/ytvos",),
    "mose": ("path/to/MOSE",),
    "voc07": ("VOCdevkit",),
    "voc12": ("VOCdevkit", "voc12"),
}
"""Sets that are drawn, and the names that pages have for them."""

PHOTOS = ("path/to/folder", "path/to/imagenet", "path/to/images", "FOLDER", "cifar10", "imagenette")
TESTS = ("imagenet-r", "imagenet-a", "imagenetv2", "imagenet-sketch", "objectnet/images", "imagenet-c/fog")
LOG = '{"train_lr": 0.1, "epoch": 0, "test_acc1": 70.5, "test_acc5": 90}\n'


def write_place(root: Path) -> None:
    """Everything but the drawn sets, which take longer and are written where a page names them."""
    write_networks(root)
    for name in PHOTOS:
        write_photos(root / name, {"kind0": 0, "kind1": 100})
    write_photos(root / "photos", {"kind0": 0, "kind1": 100}, splits=("",))
    for name in ("photo.jpg", "dog.jpg", "cat.jpg"):
        picture(0, (130, 230)).save(root / name)
    for number, name in enumerate(("one", "two")):
        save_channels(root / "path" / "to" / "arrays" / f"{name}.npy", number)
    write_davis(root / "DAVIS", frames=4)
    for name in ("path/to/DAVIS", "davis"):
        shutil.copytree(root / "DAVIS", root / name)
    write_copydays(root)
    shutil.copytree(root / "DAVIS" / "Annotations" / "480p", root / "MASKS")
    (root / "ROOT").mkdir()
    (root / "log.txt").write_text(LOG)
    write_imagenet(root)


def write_networks(root: Path) -> None:
    """A drawn network under every file name that stands on a page, and a drawn head of ImageNet's classes."""
    network = dinobench.load_backbone(NETWORK).backbone
    weights = network.state_dict()
    weights["pos_embed"] = weights["pos_embed"][:, :5].clone()  # of 2 by 2 patches, so that images become 32 pixels
    for name in ("checkpoint.pth", "a.pth", "b.pth"):
        torch.save({"teacher": {f"module.backbone.{key}": value for key, value in weights.items()}}, root / name)
    save_file({key: value.contiguous() for key, value in weights.items()}, root / "weights.safetensors")
    torch.save({"state_dict": {f"model.{key}": value for key, value in weights.items()}}, root / "lightning.ckpt")
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(1000, network.dim)).astype(np.float32))
    save_head(root / "head.safetensors", LinearHead(rows, torch.zeros(1000)), "cls", wnids())


def picture(level: int, size: tuple[int, int] = (32, 40)) -> Image.Image:
    """Noise above a level of gray."""
    pixels = np.random.default_rng(level).integers(0, 99, (*size, 3)) + level
    return Image.fromarray(pixels.astype(np.uint8))


def save_channels(path: Path, seed: int) -> None:
    """Images of five channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(8):
        array = np.random.default_rng(seed).integers(0, 255, (32, 32, 5), np.uint8)
        np.save(path.with_stem(f"{path.stem}{number}"), array)


def write_photos(root: Path, classes: dict[str, int], splits: Sequence[str] = ("train", "val")) -> None:
    """SPLIT/<class>/*.JPEG: twelve pictures of each class, four to test on, named as ImageNet's."""
    for split in splits:
        for place, (name, level) in enumerate(classes.items()):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(4 if split == "val" else 12):
                picture(level + number).save(folder / f"ILSVRC2012_val_{1 + number + 12 * place:08d}.JPEG")


def write_imagenet(root: Path) -> None:
    """Two classes of ImageNet, and the sets that a head of its classes is tested on."""
    write_photos(root / "imagenet", {wnids()[207]: 0, wnids()[6]: 100})
    for name in TESTS:
        classes = ["alarm_clock", "banana"] if "objectnet" in name else [wnids()[207], wnids()[6]]
        for severity in range(1, 6) if name == "imagenet-c/fog" else [""]:
            for level, label in enumerate(classes):
                folder = root / name / str(severity) / label
                folder.mkdir(parents=True)
                picture(100 * level).save(folder / "0.png")
    maps = root / "objectnet" / "mappings"
    maps.mkdir()
    folders = {"alarm_clock": "Alarm clock", "banana": "Banana"}
    (maps / "folder_to_objectnet_label.json").write_text(json.dumps(folders))
    (maps / "objectnet_to_imagenet_1k.json").write_text(json.dumps({"Alarm clock": "one", "Banana": "two"}))
    (maps / "imagenet_to_label_2012_v2").write_text("one\ntwo\n")
    (maps / "pytorch_to_imagenet_2012_id.json").write_text(json.dumps({"7": 0, "8": 1}))


def write_twins(root: Path, page: str) -> None:
    """The drawn sets whose names a page has, unless it has the reader draw them."""
    for twin, names in TWINS.items():
        for name in names:
            if name in page and f"data make {name} " not in page:
                get_twin(twin).write(root / name)


def write_records(root: Path) -> None:
    """Records of the models that pages compare, publish and show."""
    for number, name in enumerate(("A", "B", "C", "mine", "NAME")):
        folder = root / "results" / "records"
        settings = {"init_seed": number, "ks": [3, 5], "main_k": 3}
        dinobench.evaluate("knn", "random:vit_mini/16", "photos", output=folder, name=name, settings=settings)
    shutil.copy(next(folder.glob("*--A--*.json")), folder / "RECORD.json")
