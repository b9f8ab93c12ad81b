"""The commands of a page run in its order, none failing, on a checkpoint and a folder of pictures."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import dinobench
from dinobench.cli.main import main

ROOT = Path(__file__).parents[1]
_COMMAND = re.compile(r"^    dinobench (.*?)(?:  +#.*)?$", re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with checkpoint.pth, photos/{train,val}/<class>/*.png and photo.png."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DINOBENCH_DATA", raising=False)
    torch.save(dinobench.load_backbone("random:vit_tiny/16").backbone.state_dict(), "checkpoint.pth")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 2)):
        for kind in range(2):
            folder = Path("photos", split, f"kind{kind}")
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 99, (32, 40, 3)) + 100 * kind
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path


def ran(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, f"{arguments}: {done.output}"
    return done.output


def test_own_cards_as_their_page_says(place: Path) -> None:
    commands = _COMMAND.findall((ROOT / "docs" / "own-cards.md").read_text(encoding="utf-8"))
    said = {command: ran(*shlex.split(command)) for command in commands}
    assert len(said) == 7
    assert said["tables --table birds"].count("vit_tiny/16") == 1
    assert "states no digest of the train and val data" in said["eval --task birds --model ours-v1 --data photos"]
    records = [json.loads(path.read_text()) for path in Path("results/records").glob("*.json")]
    assert "ours-v1" in {record["model"]["name"] for record in records}
    assert len(records) == 2

    digests = {split: facts["sha256"] for split, facts in records[0]["data"]["splits"].items()}
    card = Path("tasks/birds.toml")
    text = card.read_text().replace('# digests = { train = "...", val = "..." }', f"digests = {_inline(digests)}")
    card.write_text(text)
    (record,) = dinobench.evaluate("birds", "ours-v1", "photos")
    assert record.comparable, record.because
    Path("photos/val/kind0/0.png").unlink()
    (other,) = dinobench.evaluate("birds", "ours-v1", "photos")
    assert any(line.startswith("val data have digest") for line in other.because)


def _inline(values: dict[str, str]) -> str:
    return "{ " + ", ".join(f'{key} = "{value}"' for key, value in values.items()) + " }"


@pytest.mark.parametrize("source", ["davis", "linear", "copydays", "finetune-cars", "voc-attention"])
def test_every_kind_of_task_begins_one_that_works(place: Path, source: str) -> None:
    ran("tasks", "new", "mine", "--from", source)
    assert f"begun as {source}" in ran("tasks", "show", "mine")
    assert "mine" in ran("eval", "--task", "mine", "--model", "pixels", "--data", "mini", "--dry-run")
    assert "Table mine" in ran("tables", "--table", "mine")


def test_a_wrong_setting_of_a_card_is_refused_when_it_is_read(place: Path) -> None:
    ran("tasks", "new", "mine", "--from", "knn")
    card = Path("tasks/mine.toml")
    for line, reason in (("mian_k = 5", "did you mean main_k"), ("draws = 0", "draws of protocol paper")):
        card.write_text(f"{card.read_text()}{line}\n")
        refused = CliRunner().invoke(main, ["tasks"])
        assert refused.exit_code == 2
        assert reason in refused.output
        card.write_text(card.read_text().removesuffix(f"{line}\n"))


def test_cards_replace_nothing(place: Path) -> None:
    ran("tasks", "new", "mine", "--from", "knn")
    for arguments, reason in (
        (["tasks", "new", "mine", "--from", "knn"], "there is a task mine already"),
        (["tasks", "new", "../mine", "--from", "knn"], "holds a separator"),
        (["tasks", "new", "other", "--from", "kn"], "did you mean knn"),
        (["models", "new", "dino_vits16", "--weights", "checkpoint.pth"], "there is a model dino_vits16 already"),
        (["models", "new", "mine", "--weights", "absent.pth"], "absent.pth"),
    ):
        refused = CliRunner().invoke(main, arguments)
        assert refused.exit_code == 2
        assert reason in refused.output
