"""`dinobench inspect`: the plan of a load, shown and as JSON, without loading."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from tests.models.loading.test_spec import save_run


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def test_the_table_says_what_and_why(tmp_path: Path) -> None:
    save_run(tmp_path / "run")
    result = inspect(tmp_path / "run")
    assert result.exit_code == 0, result.output
    for fact in ("DINO (dino)", "vit_mini/4, 458,592 parameters", "teacher under 'teacher.backbone.'", "32 px"):
        assert fact in result.output
    assert "verdict                loads" in result.output


def test_json_accounts_for_every_tensor(tmp_path: Path) -> None:
    save_run(tmp_path / "run")
    facts = json.loads(inspect(tmp_path / "run", "--json").stdout)
    content = torch.load(tmp_path / "run" / "checkpoint.pth", weights_only=True)
    stored = {f"{role}.{key}" for role in ("student", "teacher") for key in content[role]} | {
        "optimizer.state.0.exp_avg"
    }
    used = {source for sources in facts["matched"].values() for source in sources}
    assert used | set(facts["dropped"]) == stored
    assert len(facts["sha256_file"]) == len(facts["sha256_tensors"]) == 64
    assert facts["sha256_file"] != facts["sha256_tensors"]


def test_a_refused_file_still_shows_its_plan(tmp_path: Path) -> None:
    save_run(tmp_path)
    content = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    del content["teacher"]["backbone.norm.bias"]
    torch.save(content, tmp_path / "checkpoint.pth")
    result = inspect(tmp_path)
    assert result.exit_code == 2
    assert "refused: 1 tensors of the backbone are missing: norm.bias" in result.output


def test_choices_can_be_changed(tmp_path: Path) -> None:
    save_run(tmp_path)
    facts = json.loads(inspect(tmp_path, "--json", "--set", "weights=student").stdout)
    assert all(source.startswith("student.") for sources in facts["matched"].values() for source in sources)


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("not a checkpoint")
    for arguments in ((tmp_path / "notes.pth",), (tmp_path / "absent.pth",), (tmp_path, "--set", "head=3")):
        result = inspect(*arguments)
        assert result.exit_code == 2
        assert len(result.output.strip().splitlines()) == 1, result.output
