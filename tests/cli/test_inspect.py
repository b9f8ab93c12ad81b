"""`dinobench inspect`: the plan of a load, shown and as JSON, without loading."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from click.testing import CliRunner, Result

import dinobench
from dinobench.cli.main import main
from tests.models.loading.test_spec import save_run


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def save_drawn_file(spec: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    torch.save(dinobench.load_backbone(spec).backbone.state_dict(), path)


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


def test_a_file_called_as_a_released_one_names_its_card(tmp_path: Path) -> None:
    save_drawn_file("random:vit_small/16", tmp_path / "dino_deitsmall16_pretrain.pth")
    save_drawn_file("random:vit_tiny/16", tmp_path / "other" / "dino_deitsmall16_pretrain.pth")
    facts = json.loads(inspect(tmp_path / "dino_deitsmall16_pretrain.pth", "--json").stdout)
    assert facts["card"] == "taken for dino_vits16 by its name; --card none undoes it"
    assert json.loads(inspect(tmp_path / "other" / "dino_deitsmall16_pretrain.pth", "--json").stdout)["card"] == ""


def test_a_card_is_looked_into_by_its_name_once_its_weights_are_here() -> None:
    assert "run `dinobench models fetch dino_vits16` first" in inspect("dino_vits16").output
    assert "has no file to look into" in inspect("timm:resnet18").output


def test_looking_into_a_file_loads_no_compiler_and_no_library_of_networks(tmp_path: Path) -> None:
    save_run(tmp_path)
    code = f"""
import sys
from click.testing import CliRunner
from dinobench.cli.main import main
done = CliRunner().invoke(main, ["inspect", {str(tmp_path)!r}])
assert done.exit_code == 0, done.output
print([name for name in ("torch._dynamo", "torchvision", "timm", "sklearn", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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
