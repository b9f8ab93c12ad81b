"""Files as people have them: each situation ends in the right figure or in one line that names what is wrong.

The inputs are made by a script beside the shared test data; where that is absent these tests skip.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from tests.conftest import SHARED

SCRIPT = SHARED / "cases" / "situations.py"
K15 = ("ks=[1,5]", "main_k=5")
K1 = ("ks=[1]", "main_k=1")
K10 = ("ks=[1,10]", "main_k=10")
VIT = ("image_size=64",)


@dataclass(frozen=True)
class Case:
    """One command on one situation.

    Attributes:
        name: of the situation.
        data: below its folder.
        value: the main figure; None where the input is refused.
        says: what the output must hold, in small letters.
        model: "pixels", or a file below the situation's folder.
    """

    name: str
    task: str = "knn"
    data: str = "."
    settings: tuple[str, ...] = ()
    value: float | None = None
    says: tuple[str, ...] = ()
    model: str = "pixels"
    other_data: str = ""
    metric: str = ""
    extra: tuple[str, ...] = field(default=())


CASES = (
    Case("same_size_edit", data="A", settings=K15, value=42.50),
    Case("same_size_edit", data="B", settings=K15, value=23.75),
    Case("copydays_suffix_names", "copydays", settings=("image_size=64",), value=100.0),
    Case("subset_same_names", data="data", settings=("subset=names.txt", "lists={here}", *K1), says=("several",)),
    Case("subset_same_names", data="data", settings=("subset=paths.txt", "lists={here}", *K1), value=37.50),
    Case("subset_spaces_bom", data="data", settings=("subset=list.txt", "lists={here}", *K1), value=-1.0),
    Case("tar_label_spaces", settings=K15, says=("only in val",)),
    Case("archives_beside", settings=K1, value=-1.0, says=("ilsvrc2012_img_val.tar",)),
    Case("eight_loop", settings=("ks=[1,20]", "main_k=20"), value=25.0, says=("latest",)),
    Case("mixed_endings", settings=K15, value=41.67),
    Case("beside_lab", settings=K1, value=-1.0, says=("20 images",)),
    Case("val_copied_from_train", settings=K1, value=-1.0, says=("8 of 24", "training")),
    Case("unicode_forms", settings=K1, value=-1.0),
    Case("odd_names", settings=K1, value=-1.0),
    Case("panorama", settings=K1, says=("179", "pano.png")),
    Case("ret_png", "roxford", value=-1.0),
    Case("ret_off_boxes", "roxford", says=("box", "q0_0")),
    Case("ret_query_in_db", "roxford", value=20.90, says=("quer", "database")),
    Case("dav_smooth_mask", "davis", says=("smooth",)),
    Case("dav_la_mask", "davis2016", value=-1.0),
    Case("dav_nested", "davis", value=-1.0),
    Case("dav_bom", "davis", value=-1.0),
    Case("ck_distilled", model="distill.pth", other_data="eight", settings=(*K10, *VIT), says=("weights=",)),
    Case(
        "ck_distilled",
        model="distill.pth",
        other_data="eight",
        settings=(*K10, *VIT, "weights=student"),
        value=16.25,
        metric="top1_k1",
    ),
    Case("ck_config_beside", model="mine.pth", other_data="four", settings=K10, value=37.50, metric="top1_k1"),
    Case("ck_config_beside", model="mine.pth", other_data="four", settings=K10, value=-1.0, says=("config.json",)),
    Case("ck_ema_list", model="ema_list.pth", other_data="eight", settings=(*K10, *VIT, "weights=ema"), value=18.75),
    Case("ck_ema_list", model="ema_list.pth", other_data="eight", settings=(*K10, *VIT), value=22.50, says=("ema",)),
    Case("ck_lora", model="w_lora.pth", other_data="four", settings=K10, says=("w_a",)),
    Case("ck_lora", model="lora_inside.pth", other_data="four", settings=K10, says=("lora",)),
    Case("ck_flat_fsdp", model="rank0.pth", other_data="four", settings=K10, says=("fsdp",)),
    Case("ck_zero3", model="mp_rank_00_model_states.pt", other_data="four", settings=K10, says=("zero",)),
    Case("ck_zero3", model="global_one.pt", other_data="four", settings=K10, says=("zero",)),
    Case("ck_channels", model="one_channel.pth", other_data="four", settings=K10, value=-1.0, says=("gray",)),
    Case("ck_channels", model="four_channel.pth", other_data="four", settings=K10, says=("channels",)),
    Case("ck_channels", model="video_5d.pth", other_data="four", settings=K10, says=("video_5d.pth",)),
)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a situation once and gives its folder."""
    if not SCRIPT.is_file():
        pytest.skip(f"needs {SCRIPT}")
    spec = importlib.util.spec_from_file_location("situations", SCRIPT)
    assert spec and spec.loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path_factory.mktemp("situations")

    def made(name: str) -> Path:
        folder = root / name
        if not folder.is_dir():
            folder.mkdir()
            module.MAKERS[name](folder)
        return folder

    return made


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))


def evaluate(task: str, model: str, data: Path, output: Path, *settings: str) -> Result:
    command = ["eval", "--task", task, "--model", model, "--data", str(data), "--output", str(output)]
    return CliRunner().invoke(main, [*command, *(part for each in settings for part in ("--set", each))])


def figure(output: Path, metric: str = "") -> float:
    """The main figure of the only record."""
    (path,) = output.glob("*.json")
    record = json.loads(path.read_text())
    return round(float(record["metrics"][metric or record["main_metric"]]), 2)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.model.split('.')[0]}-{case.value}")
def test_the_right_figure_or_one_line(case: Case, make: Callable[[str], Path], tmp_path: Path) -> None:
    here = make(case.name)
    data = make(case.other_data) if case.other_data else here / case.data
    model = case.model if case.model == "pixels" else str(here / case.model)
    done = evaluate(case.task, model, data, tmp_path / "out", *(each.format(here=here) for each in case.settings))
    text = " ".join(done.output.split()).lower()
    assert all(word in text for word in case.says), done.output
    if case.value is None:
        assert done.exit_code == 2, done.output
        assert done.output.count("Error:") == 1
        return
    assert done.exit_code == 0, done.output
    found = figure(tmp_path / "out", case.metric)
    assert found >= 0 if case.value < 0 else found == case.value


def test_wrappers_in_names_change_nothing(make: Callable[[str], Path], tmp_path: Path) -> None:
    files = sorted(make("ck_wrapped_blocks").glob("*.pth"))
    found = {}
    for path in files:
        done = evaluate("knn", str(path), make("four"), tmp_path / path.stem, *K10, *VIT)
        assert done.exit_code == 0, done.output
        found[path.stem] = figure(tmp_path / path.stem)
    assert len(files) == 5
    assert len(set(found.values())) == 1, found


def test_an_image_that_was_whole_later_is_read(make: Callable[[str], Path], tmp_path: Path) -> None:
    here = make("prealloc")
    assert evaluate("knn", "pixels", here, tmp_path / "a", *K1).exit_code == 2
    broken = next((here / "train").glob("*/2.jpg"))
    shutil.copyfile(here / "whole.jpg", broken)
    done = evaluate("knn", "pixels", here, tmp_path / "b", *K1)
    assert done.exit_code == 0, done.output


def test_two_boxes_of_one_picture_are_two_queries(make: Callable[[str], Path], tmp_path: Path) -> None:
    here = make("ret_two_boxes")
    out = tmp_path / "out"
    assert evaluate("roxford", "pixels", here, out).exit_code == 0
    assert evaluate("roxford", "random:vit_mini/8", here, out, "image_size=64").exit_code == 0
    done = CliRunner().invoke(main, ["compare", "pixels", "random_vit_mini_8", "--results", str(out)])
    assert "8 images" in done.output, done.output


def test_equal_names_and_names_too_long_have_records_and_rows(make: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for path in sorted(make("ck_names").rglob("*.pth")):
        done = evaluate("knn", str(path), make("four"), out, *K1, *VIT)
        assert done.exit_code == 0, done.output
    assert len(list(out.glob("*.json"))) == 5
    table = CliRunner().invoke(main, ["tables", "--table", "2", "--rows", "ours", "--results", str(out)]).output
    labels = ("exp1/teacher", "exp2/teacher", "dino_lr0.0005_ep100", "dino_lr0.001_ep100")
    assert all(label in table for label in labels), table


def test_copies_named_by_a_camera_are_paired_by_their_stem_or_said(make: Callable[[str], Path], tmp_path: Path) -> None:
    done = evaluate("copydays", "pixels", make("copydays_camera_names"), tmp_path / "out", "image_size=64")
    found = figure(tmp_path / "out") if done.exit_code == 0 else None
    assert found == 22.61 or "img_" in done.output.lower(), done.output
