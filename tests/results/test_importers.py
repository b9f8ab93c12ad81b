from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from dinobench.cli.records import KINDS
from dinobench.results.importers import READERS
from dinobench.results.records import RecordStore
from dinobench.results.verify import verify

LOG = (
    '{"train_lr": 0.1, "epoch": 0, "test_acc1": 70.5, "test_acc5": 90}\n'
    '{"epoch": 1, "test_acc1": 69.0, "test_acc5": 89}\n'
)
KNN = "Features are ready!\nStart the k-NN classification.\n" + "".join(
    f"{k}-NN classifier result: Top1: {top}, Top5: 89.1\n" for k, top in ((10, 74.0), (20, 74.458), (100, 72.0))
)
DAVIS = "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n0.618,0.602,0.741,-0.011,0.634,0.731,0.02\n"
DINOV2 = json.dumps({"('full', 10) Top 1": 83.4}) + "\n" + json.dumps({"('full', 20) Top 1": 83.5})
DINOV2_LINEAR = 'iter: 9\n{"best_classifier": {"name": "lr_0.1", "accuracy": 0.5}}\n\niter: 99\n' + json.dumps(
    {"best_classifier": {"name": "classifier_4_blocks_lr_0.01", "accuracy": 0.861}}
)
MTEB = json.dumps(
    {
        "task_name": "CIFAR10",
        "mteb_version": "2.0.0",
        "scores": {"test": [{"accuracy": 0.9123, "main_score": 0.9123, "hf_subset": "default"}]},
    }
)
CLIP = json.dumps(
    {
        "dataset": "cifar10",
        "model": "ViT-B-32",
        "pretrained": "laion400m",
        "task": "linear_probe",
        "metrics": {"lp_acc1": 0.9074, "lp_acc5": 0.998},
        "language": "en",
    }
)
FILES = [
    ("dino-log", LOG, "linear", {"top1_best": 70.5, "top1": 69.0, "top5": 89.0}),
    ("dino-knn", KNN, "knn", {"top1": 74.458, "top5": 89.1, "top1_k10": 74.0}),
    ("davis", DAVIS, "davis", {"jf_mean": 61.8, "j_mean": 60.2, "f_recall": 73.1}),
    ("dinov2", DINOV2, "knn", {"top1": 83.5, "top1_k10": 83.4}),
    ("dinov2", DINOV2_LINEAR, "linear", {"top1_best": 86.1}),
    ("dinov3", "10 Top 1,20 Top 1,20 Top 5\n80.0,81.5,95.0\n", "knn", {"top1": 81.5, "top5": 95.0, "top1_k10": 80.0}),
    ("dinov3", "ImageNet:split=VAL_accuracy,best_classifier\n84.2,lr_0.1\n", "linear", {"top1_best": 84.2}),
    ("dinov3", "top-1,top-5\n84.2,96.0\n", "logistic", {"top1": 84.2, "top5": 96.0}),
    ("mteb", MTEB, "mteb CIFAR10", {"test": 91.23}),
    ("clip-benchmark", CLIP, "clip_benchmark linear_probe", {"lp_acc1": 90.74, "lp_acc5": 99.8}),
]


def run_import(folder: Path, kind: str, text: str, *more: str) -> Result:
    file = folder / "file"
    file.write_text(text)
    return CliRunner().invoke(
        main, ["records", "import", str(file), "--as", kind, "--results", str(folder / "records"), *more]
    )


@pytest.mark.parametrize(("kind", "text", "task", "figures"), FILES)
def test_a_file_becomes_a_record_that_is_never_comparable(
    tmp_path: Path, kind: str, text: str, task: str, figures: dict[str, float]
) -> None:
    done = run_import(tmp_path, kind, text, "--model", "theirs")
    assert done.exit_code == 0, done.output
    (record,) = RecordStore(tmp_path / "records").runs()
    assert (record.task, record.imported, record.comparable, record.model.name) == (task, kind, False, "theirs")
    assert figures.items() <= record.metrics.items()
    assert "nothing proves" in record.because[0]
    assert verify(tmp_path / "records")[0].problems == ()


def test_an_imported_figure_never_fills_a_published_row(tmp_path: Path) -> None:
    run_import(tmp_path, "dino-knn", KNN, "--model", "dino_vits16", "--data", "imagenet")
    shown = CliRunner().invoke(main, ["tables", "--table", "2", "--results", str(tmp_path / "records")]).output
    (row,) = [line for line in shown.splitlines() if "ViT-S/16" in line and "| DINO |" in line]
    assert "74.458" not in row and "+0.0" not in row
    listed = CliRunner().invoke(main, ["records", "ls", "--results", str(tmp_path / "records")]).output
    assert "knn@imported-dino-knn  dino_vits16 on imagenet  top1 74.46\n" in listed


def test_the_command_offers_every_reader() -> None:
    assert set(KINDS) == set(READERS)


HOSTILE = [
    ("dino-log", '{"epoch": 0, "train_loss": 3.0}\n', "of a linear evaluation, not of a training"),
    ("dino-log", '{"test_acc1": NaN}\n', "no figure from 0 to 100"),
    ("dino-log", '{"test_acc1": -3}\n', "no figure from 0 to 100"),
    ("dino-log", '{"test_acc1": true}\n', "no figure from 0 to 100"),
    ("dino-log", "[1]\n", "line 1, holds no named values"),
    ("dino-log", "{" * 5, "line 1, is not valid json"),
    ("dino-log", "[" * 100_000, "nested too deep"),
    ("dino-knn", "20-NN classifier result: Top1: 1e9, Top5: 3\n", "no figure from 0 to 100"),
    ("dino-knn", "nothing here\n", "holds no figure of k-NN"),
    ("davis", "a,b\n1,2\n", "no column J&F-Mean"),
    ("davis", DAVIS.replace("0.618", "61.8"), "no figure from 0 to 1"),
    ("davis", DAVIS + "1\n", "2 rows where one is expected"),
    ("dinov2", '{"best_classifier": 3}', "without its accuracy"),
    ("dinov3", "x\n1\n", "holds no figure of k-NN"),
    ("mteb", "{}", "does not have task_name, scores"),
    ("mteb", '{"task_name": "x", "scores": {"test": [{"main_score": "inf"}]}}', "no figure from 0 to 1"),
    ("clip-benchmark", CLIP.replace("0.9074", "1e999"), "no figure from 0 to 1"),
    ("clip-benchmark", json.dumps({"dataset": 1, "model": 1, "task": 1, "metrics": 1}), "has no metrics"),
    ("nonsense", "", "unknown kind of result file 'nonsense'"),
]


@pytest.mark.parametrize(("kind", "text", "message"), HOSTILE)
def test_hostile_files_are_one_line_and_write_nothing(tmp_path: Path, kind: str, text: str, message: str) -> None:
    done = run_import(tmp_path, kind, text, "--model", "theirs")
    assert (done.exit_code, message in done.output) == (2, True), done.output
    assert not (tmp_path / "records").exists()


def test_names_from_a_file_lead_nowhere(tmp_path: Path) -> None:
    raw = json.loads(CLIP) | {"model": "../../../etc/x", "dataset": "../..", "task": "../t"}
    assert run_import(tmp_path, "clip-benchmark", json.dumps(raw)).exit_code == 0
    (path,) = (tmp_path / "records").iterdir()
    assert set(tmp_path.iterdir()) == {tmp_path / "file", tmp_path / "records"}
    assert "/" not in path.name


def test_a_file_without_a_models_name_asks_for_it(tmp_path: Path) -> None:
    done = run_import(tmp_path, "davis", DAVIS)
    assert (done.exit_code, "give --model NAME" in done.output) == (2, True)


def test_two_files_of_two_models_are_two_records(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_import(tmp_path, "davis", DAVIS, "--model", name)
    assert {record.model.name for record in RecordStore(tmp_path / "records").runs()} == {"a", "b"}
