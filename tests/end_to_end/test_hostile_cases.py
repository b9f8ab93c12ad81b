"""Files made to do harm, each by the command that a user would type: one line, exit code 2, nothing else touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from dinobench.results.records import RecordStore
from tests.conftest import SHARED, shared_data

CASES = SHARED / "cases"
CARD = 'title = "t"\nmethod = "DINO"\narchitecture = "vit_mini/4"\nsource = "https://example.org"\nlicense = "MIT"\n'
WORKING_CARD = CARD + 'family = "random"\nweights = "random:vit_mini/4"\n'


def case(name: str) -> Path:
    path = CASES / name
    if not path.exists():
        pytest.skip(f"no case at {path}")
    return path


def make(name: str, *arguments: object, folder: Path) -> None:
    """Run the script of a case in `folder`."""
    subprocess.run([sys.executable, str(case(name)), *map(str, arguments)], check=True, cwd=folder, timeout=300)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def refused(done: Result, *words: str) -> None:
    """One line that begins with Error, exit code 2, with each of `words` in it."""
    assert done.exit_code == 2, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("Error: ")]
    assert done.output.rstrip().endswith(line)
    for word in words:
        assert word in line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pickle_of_objects_over_bytes_of_the_file(here: Path) -> None:
    make("numpy_object_pickle.py", "ev", folder=here)
    refused(run("score", "retrieval", "--ranks", "ev/ranks.json", "--gnd", "ev/gnd_evil.pkl"), "array of type 'O'")
    refused(run("data", "check", "cifar10", "--data", "ev"), "array of type 'O'")


def test_matlab_file_of_flowers(here: Path) -> None:
    shutil.copytree(shared_data("flowers-102"), here / "flowers")
    shutil.copy(case("setid_segfault.mat"), here / "flowers" / "setid.mat")
    refused(run("data", "check", "flowers", "--data", "flowers"), "setid.mat", "MATLAB")


def test_matlab_file_of_cars(here: Path) -> None:
    shutil.copytree(shared_data("stanford_cars"), here / "cars")
    (target,) = (here / "cars").rglob("cars_train_annos.mat")
    shutil.copy(case("cars_annos_segfault.mat"), target)
    refused(run("data", "check", "cars", "--data", "cars"), "cars_train_annos.mat", "MATLAB")


@pytest.mark.parametrize("command", [["inspect"], ["eval", "--task", "knn", "--data", "mini", "--model"]])
def test_block_number(command: list[str], here: Path) -> None:
    make("block_number.py", "block.pth", 2000000000, folder=here)
    refused(run(*command, "block.pth"), "block.pth", "2000000000")


@pytest.mark.parametrize("command", [["inspect"], ["eval", "--task", "knn", "--data", "mini", "--model"]])
def test_views_of_one_number(command: list[str], here: Path) -> None:
    make("stride0_bomb.py", folder=here)
    refused(run(*command, "strb.pth"), "strb.pth", "4 bytes")


def test_picture_outside_the_results_is_left_out_of_the_report(here: Path) -> None:
    make("report_files.py", "case", folder=here)
    done = run("report", "--results", "case/records", "--output", "case/report")
    assert done.exit_code == 0, done.output
    assert "'../secret.png', which is not a file below" in done.output
    assert not list((here / "case" / "report").rglob("*.png"))


def test_network_with_attention_pooling_is_not_taken_for_another(here: Path) -> None:
    make("siglip_like.py", "siglip.pth", folder=here)
    refused(run("eval", "--task", "knn", "--model", "siglip.pth", "--data", "mini"), "attn_pool", "architecture=NAME")


def test_sequence_name_that_leaves_the_folder(here: Path) -> None:
    source = shared_data("davis")
    tree, victim = here / "a" / "b" / "dv", here / "a" / "victim"
    for part in ("ImageSets/2017", "JPEGImages/480p/q ", "Annotations/480p/q "):
        (tree / part).mkdir(parents=True)
    victim.mkdir()
    for frame in ("00000", "00001"):
        shutil.copy(source / f"JPEGImages/480p/libby/{frame}.jpg", victim)
        shutil.copy(source / f"Annotations/480p/libby/{frame}.png", victim)
    (tree / "ImageSets/2017/val.txt").write_text("q /../../../../../victim\n")
    before = sorted(here.rglob("*"))
    output = ["--output", here / "results", "--set", "image_size=64"]
    refused(run("eval", "--task", "davis@quick", "--model", "random:vit_mini/16", "--data", tree, *output), "'..'")
    after = [path for path in sorted(here.rglob("*")) if here / "results" not in (path, *path.parents)]
    assert after == before


def test_card_of_a_cloned_repository_names_no_code(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(case("hostile_repo"), here / "repo")
    monkeypatch.chdir(here / "repo")
    (card,) = Path("reference_models").iterdir()
    card.write_text(card.read_text().replace("licence", "license"))
    refused(run("eval", "--task", "knn", "--model", "dino_vits16", "--data", "mini"), "family_file", "a card is data")
    assert not Path("RAN").exists()


@pytest.mark.parametrize("weights", ["../../outside.pth", "/etc/outside.pth", "~/outside.pth"])
def test_card_names_no_file_outside_its_folder(weights: str, here: Path) -> None:
    cards = here / "reference_models"
    cards.mkdir()
    (cards / "dino_vits16.toml").write_text(CARD + f'family = "dino"\nweights = "{weights}"\n')
    refused(run("eval", "--task", "knn", "--model", "dino_vits16", "--data", "mini"), "outside")


def test_cards_of_the_working_directory_are_said(here: Path) -> None:
    (here / "reference_models").mkdir()
    (here / "reference_models" / "dino_vits16.toml").write_text(WORKING_CARD)
    (here / "tasks").mkdir()
    ours = (Path(__file__).parents[2] / "tasks" / "knn.toml").read_text()
    (here / "tasks" / "knn.toml").write_text(ours + "\n[protocols.paper.settings]\ntemperatures = [1000.0]\n")
    done = run("eval", "--task", "knn", "--model", "dino_vits16", "--data", "mini", "--output", "out")
    assert done.exit_code == 0, done.output
    (record,) = RecordStore(here / "out")
    kept = json.dumps(json.loads(record.to_json()))
    for line in (
        f"card {Path('tasks/knn.toml')} replaces the built-in card knn",
        f"card {Path('reference_models/dino_vits16.toml')} replaces the built-in card dino_vits16",
    ):
        assert line in done.output
        assert line in kept


@pytest.mark.skipif(os.name == "nt", reason="named pipes")
def test_pipe_in_the_place_of_a_checkpoint(here: Path) -> None:
    os.mkfifo(here / "pipe.pth")
    refused(run("eval", "--task", "knn", "--model", "pipe.pth", "--data", "mini"), "a pipe")
