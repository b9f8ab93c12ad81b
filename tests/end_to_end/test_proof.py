"""Records of every kind of task prove themselves: every figure again from what was kept, and every change found."""

from __future__ import annotations

import dataclasses
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

import dinobench
from dinobench.cards import load_tasks
from dinobench.cli.main import main
from dinobench.data.registry import get_twin
from dinobench.pipeline.rescore import rescore
from dinobench.results.records import RecordStore, read_record
from dinobench.results.verify import verify_record
from tests.evaluators.imagenet_heads import write_imagenet
from tests.evaluators.videos import write_davis

MODEL = "random:vit_mini/8"
FEW = {"workers": 1, "batch_size": 32}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "knn": ("photos", {"ks": [3, 5], "main_k": 3, "features": ["cls", "mean"]}),
    "knn-10pct@random": ("photos", {"ks": [1], "main_k": 1, "draws": 3, "percent": 50.0}),
    "logistic": ("photos", {"max_iterations": 50}),
    "linear@cached": ("photos", {"epochs": 2, "lrs": [0.01, 0.1], "features": ["cls", "mean"], "batch_size": 8}),
    "finetune-cifar10@quick": ("mini", {"epochs": 1, "warmup_epochs": 0, "batch_size": 48, "save_weights": True}),
    "class-retrieval": ("photos", {}),
    "homography": ("photos", {"image_size": 32}),
    "label-free@quick": ("photos", {"views": 2, "image_size": 32, "last_rank": 12}),
    "knn-voc07": ("mini", {"k": 3}),
    "roxford": ("mini", {"image_size": 64}),
    "copydays": ("mini", {"image_size": 48, "blocks": ["original", "strong", "jpegqual/75"]}),
    "davis": ("davis", {"pictures": False}),
    "voc-attention": ("mini", {"image_size": 48}),
    "seg-camvid@quick": ("mini", {"image_size": 64}),
    "discovery-voc07@lost": ("mini", {"image_size": 64}),
    "depth-nyu@quick": (
        "nyu",
        {"image_size": 48, "crop_height": 40, "crop_width": 40, "iterations": 3, "warmup_iterations": 1},
    ),
    "spair": ("spair", {"grid": 8}),
    "navi": ("navi", {"image_size": 64, "reduced": 120}),
    "met": ("met", {}),
    "amstertime": ("amstertime", {}),
    "imagenet-r": ("renditions", {"head": "head.safetensors", "features": ["cls"]}),
    "imagenet-c": ("corrupted", {"head": "head.safetensors", "features": ["cls"]}),
    "throughput": ("mini", {"batch_size": 2, "repeats": 2, "warm_up": 0, "image_size": 32}),
}
"""Data and settings that keep a run short, by task; every evaluator is there once."""


def write_photos(root: Path, seed: int = 0) -> None:
    """{train,val}/<class>/*.png of three kinds of noise, of odd sizes."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", 8), ("val", 5)):
        for kind in range(3):
            folder = root / split / f"kind{kind}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 120, (36 + number, 41, 3)) + 40 * kind
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{kind}{number}.png")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Records of all kinds, by task."""
    folder = tmp_path_factory.mktemp("proof")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOBENCH_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        write_photos(folder / "photos")
        write_davis(folder / "davis", ["one", "two"], frames=4, size=(56, 64))
        for name in ("nyu", "spair", "navi", "met", "amstertime"):
            get_twin(name).write(folder / name)
        write_imagenet(folder, MODEL)
        found = {}
        for task, (data, settings) in KINDS.items():
            known = FEW if "finetune" not in task and "throughput" not in task else {"workers": 1}
            output = folder / "records" / task.replace("@", "-")
            dinobench.evaluate(task, MODEL, data, output=output, settings={**known, **settings})
            (found[task],) = output.glob("*.json")
        yield found


def test_every_evaluator_is_among_them() -> None:
    cards = load_tasks()
    assert {cards[task.partition("@")[0]].evaluator for task in KINDS} == {card.evaluator for card in cards.values()}


@pytest.mark.parametrize("task", KINDS)
def test_every_figure_is_computed_again(records: dict[str, Path], task: str) -> None:
    found = verify_record(records[task])
    assert (found.problems, found.notes) == ((), ())
    assert set(found.recomputed) == set(read_record(records[task]).metrics)


def test_a_thousand_changes_are_all_found(records: dict[str, Path], tmp_path: Path) -> None:
    """Of all kinds together: a byte changed, a file swapped for another's, cut short, or gone."""
    rng = random.Random(0)
    missed = []
    for task, record in records.items():
        folder = shutil.copytree(record.parent, tmp_path / task)
        kept = [folder / record.name, *(folder / name for name in read_record(record).files)]
        for number in range(1 + 1000 // len(records)):
            file = rng.choice(kept)
            content = file.read_bytes()
            file.write_bytes(_changed(content, rng, number))
            missed += [] if verify_record(folder / record.name).problems else [(task, file.name, number)]
            file.write_bytes(content)
    assert missed == []


def _changed(content: bytes, rng: random.Random, number: int) -> bytes:
    """Every tenth time cut short, else with another letter or digit in place of one byte."""
    place = rng.randrange(len(content))
    if number % 10 == 0:
        return content[:place]
    other = rng.choice([byte for byte in range(33, 127) if byte != content[place] and chr(byte).isalnum()])
    return content[:place] + bytes([other]) + content[place + 1 :]


@pytest.mark.parametrize("task", KINDS)
def test_images_scored_again_are_as_the_record_says(records: dict[str, Path], task: str) -> None:
    found = rescore(records[task], 0.4, seed=3)
    assert found.problems == ()
    nothing_kept = task in {"throughput", "imagenet-c"}  # of single images
    assert bool(found.images) is not nothing_kept
    assert bool(found.notes) is nothing_kept


def test_a_changed_prediction_is_found_though_the_seal_is_made_again(records: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(records["knn"].parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / records["knn"].name
    (file,) = tmp_path.rglob("predictions.parquet")
    frame = pd.read_parquet(file)
    changed = frame["image"][4]
    frame.loc[4, "predicted"] = "kind1" if frame["predicted"][4] != "kind1" else "kind2"
    frame.to_parquet(file)
    RecordStore(tmp_path).add(read_record(path))
    assert verify_record(path).problems == ()
    done = CliRunner().invoke(main, ["verify", str(path), "--rescore", "100%"])
    assert done.exit_code == 1
    assert "scored again, seed 0: 15 images: " in done.output
    assert [line for line in done.output.splitlines() if "problem" in line] == [
        f"  problem: {changed}: predicted is {_told(records, changed)!r}, in the record {frame['predicted'][4]!r}"
    ]


def _told(records: dict[str, Path], image: str) -> str:
    frame = dinobench.predictions(records["knn"]).set_index("image")
    return str(frame["predicted"][image])


def test_other_weights_data_and_settings_are_said(records: dict[str, Path], tmp_path: Path) -> None:
    other = rescore(records["knn"], 0.1, model="random:vit_mini/8", data="photos").problems
    assert other == ()
    (line,) = rescore(records["logistic"], 0.1, model="pixels").problems
    assert line.startswith("the weights of pixels have digest ")
    write_photos(tmp_path / "photos", seed=1)
    lines = rescore(records["knn"], 0.1, data=str(tmp_path / "photos")).problems
    assert [line.split(" have ")[0] for line in lines] == ["the train data", "the val data"]
    refused = CliRunner().invoke(main, ["verify", str(records["knn"]), "--rescore", "0%"])
    assert (refused.exit_code, "not a share of the images" in refused.output) == (2, True)
    absent = CliRunner().invoke(main, ["verify", str(records["knn"]), "--rescore", "1%", "--model", "absent.pth"])
    assert (absent.exit_code, "say where the model is by --model" in absent.output) == (2, True)


def test_a_folder_is_scored_again_record_by_record(records: dict[str, Path], tmp_path: Path) -> None:
    """A fine-tuned network that was not kept is a note; a model that is gone is said, the others go on, code 2."""
    for task in ("finetune-cifar10@quick", "knn", "class-retrieval"):
        shutil.copytree(records[task].parent, tmp_path, dirs_exist_ok=True)
    next(tmp_path.rglob("finetuned.pth")).unlink()
    tuned = read_record(tmp_path / records["finetune-cifar10@quick"].name)
    RecordStore(tmp_path).add(
        dataclasses.replace(tuned, files=tuple(name for name in tuned.files if not name.endswith(".pth")))
    )
    command = ["verify", str(tmp_path), "--rescore", "10%"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0
    assert done.output.count("scored again, seed 0") == 2
    assert "note: it keeps no finetuned.pth, so no image is scored again without training" in done.output

    found = read_record(tmp_path / records["class-retrieval"].name)
    gone = dataclasses.replace(found, model=dataclasses.replace(found.model, spec="gone.pth"))
    RecordStore(tmp_path).add(gone)
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert done.output.count("scored again, seed 0") == 1
    assert "not scored again: class-retrieval" in done.output
    assert "1 of 3 records could not be scored again, for the reasons above" in done.output
