"""What is found by its name, and a user's own files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.runtime import plugins
from dinobench.runtime.errors import InputError
from dinobench.runtime.plugins import plugin, plugin_names, use_plugin_file

EVALUATOR = """
from dataclasses import dataclass
from dinobench.evaluators.base import Scores
from dinobench.runtime.settings import Count, setting

@dataclass(frozen=True, kw_only=True)
class Settings:
    factor: Count = setting(2, "what to multiply by")

def evaluate(context):
    return Scores({"answer": 21.0 * context.settings.factor})
"""
CARD = """
title = "The answer"
evaluator = "answering"
dataset = "mini"
layout = "imagefolder"
main_metric = "answer"
source = "me"
default_protocol = "plain"
[protocols.plain]
version = 1
summary = "the answer"
"""


@pytest.fixture(autouse=True)
def forget_plugins() -> Iterator[None]:
    yield
    plugins._own_modules.clear()
    plugin_names.cache_clear()


def test_rooms_name_what_they_hold() -> None:
    assert {"knn", "retrieval", "finetune"} <= set(plugin_names("evaluators"))
    assert {"davis", "revisitop"} <= set(plugin_names("data/layouts"))
    assert "dinov2" in plugin_names("models/families")
    with pytest.raises(InputError, match="did you mean davis"):
        plugin("data/layouts", "daviss")


def test_an_evaluator_of_ones_own_scores_by_a_card_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "answering.py").write_text(EVALUATOR)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "answer.toml").write_text(CARD)
    command = ["--plugin", str(tmp_path / "answering.py"), "eval", "--task", "answer", "--model", "pixels"]
    command += ["--data", "mini", "--tasks-dir", str(tmp_path / "tasks"), "--output", str(tmp_path / "records")]
    done = CliRunner().invoke(main, [*command, "--set", "factor=3"])
    assert done.exit_code == 0, done.output
    assert "answer                   63.00" in done.output


def test_a_file_that_fails_or_defines_nothing_is_one_line(tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.py", tmp_path / "broken.py"
    empty.write_text("x = 1")
    broken.write_text("1 / 0")
    with pytest.raises(InputError, match="defines none of evaluate"):
        use_plugin_file(empty)
    with pytest.raises(InputError, match="ZeroDivisionError"):
        use_plugin_file(broken)
    with pytest.raises(InputError, match="no Python file"):
        use_plugin_file(tmp_path / "nowhere.py")


def test_files_of_the_environment_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mylayout.py"
    path.write_text("EXPECTED_TREE = 'x'\nDATASETS = ('mine',)\ndef open(root, split): ...\n")
    monkeypatch.setenv("DINOBENCH_PLUGINS", str(path))
    assert "mylayout" in plugin_names("data/layouts")
    assert "mylayout" not in plugin_names("evaluators")
