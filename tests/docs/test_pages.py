"""Generated pages hold what there is; the examples of the pages on records and on extensions run as they stand."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinobench.cards import load_tasks
from dinobench.cli.main import main
from dinobench.models.loading.family import all_families
from dinobench.results.records import RecordStore
from dinobench.runtime import plugins
from dinobench.runtime.plugins import plugin_names
from dinobench.runtime.settings import fields_of
from tests.results.factory import make_record

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    found: dict[str, str] = runpy.run_path(str(DOCS / "generated.py"))["pages"]()
    return found


def test_every_task_has_a_page_with_its_protocols_settings_and_figures(pages: dict[str, str]) -> None:
    for name, card in load_tasks().items():
        page = pages[f"tasks/{name}.md"]
        assert f"({name}.md)" in pages["tasks/index.md"]
        assert all(f"`{name}@{protocol}`" in page for protocol in card.protocols)
        assert all(f"{field} = " in page for field in fields_of(card.settings_type))
    assert (
        "| `dino_vits16` (DINO ViT-S/16, ImageNet, 800 epochs) | 2 | `top1` of `knn@paper` | 74.5 |"
        in pages["tasks/knn.md"]
    )


def test_every_task_is_among_the_kinds_that_several_processes_try() -> None:
    page = (DOCS / "processes.md").read_text(encoding="utf-8")
    assert not [name for name in load_tasks() if not re.search(rf"(?<![\w-]){name}(?![\w-])", page)]


def test_every_family_stands_in_the_table_of_families(pages: dict[str, str]) -> None:
    rows = [line for line in pages["families.md"].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [family.name for family in all_families()]


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_page_on_records_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "results" / "records"
    file = folder / "files" / "predictions.csv"
    file.parent.mkdir(parents=True)
    file.write_text("image,label,predicted,value\na.jpg,cat,cat,1\n")
    path = RecordStore(folder).add(
        make_record(model={"name": "a", "sha256": "a", "family": "dino"}, files=("files/predictions.csv",))
    )
    path.rename(folder / "RECORD.json")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("records.md", "python"):
        exec(compile(block, "records.md", "exec"), names)
    assert len(names["frame"]) == 1  # type: ignore[arg-type]


@pytest.fixture
def forget_plugins() -> Iterator[None]:
    yield
    plugins._own_modules.clear()
    plugin_names.cache_clear()


@pytest.mark.usefixtures("forget_plugins")
def test_the_evaluator_of_the_page_on_extensions_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator, family = blocks("extend.md", "python")
    (card,) = blocks("extend.md", "toml")
    (tmp_path / "spread.py").write_text(evaluator)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "spread.toml").write_text(card)
    monkeypatch.chdir(tmp_path)
    command = "--plugin spread.py eval --task spread --model pixels --data mini"
    assert f"dinobench {command}" in (DOCS / "extend.md").read_text(encoding="utf-8")
    done = CliRunner().invoke(main, command.split())
    assert "classes                  16.00" in done.output
    names: dict[str, object] = {}
    exec(compile(family, "extend.md", "exec"), names)
    assert names["FAMILY"].evidence(["trunk.blocks.0.norm1.weight"])  # type: ignore[attr-defined]
