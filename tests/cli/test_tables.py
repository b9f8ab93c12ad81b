from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from dinobench.results.records import RecordStore
from tests.results.factory import make_record


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["tables", *arguments])


def test_our_figure_stands_beside_the_published_one(tmp_path: Path) -> None:
    RecordStore(tmp_path).add(make_record(comparable=False, because=("mini",)))
    done = run("--table", "2", "--results", str(tmp_path))
    assert done.exit_code == 0
    assert "| Method | Arch. | Param. (M) | im/s | Linear | k-NN | ours | Δ |" in done.output
    assert "| dino_vits16 [b] | vit_small/16 | 21.7 | – | – | – | 74.5 | – |" in done.output


@pytest.mark.parametrize("name", ["2", "3", "4", "5", "6", "7", "8", "9", "all"])
def test_every_table_of_the_paper_prints(name: str, tmp_path: Path) -> None:
    done = run("--table", name, "--format", "csv", "--results", str(tmp_path))
    assert done.exit_code == 0
    assert "section," in done.output


def test_an_unknown_table_is_one_line(tmp_path: Path) -> None:
    done = run("--table", "77", "--results", str(tmp_path))
    assert done.exit_code == 2
    assert done.output.startswith("Error: unknown table '77'")


def test_tables_in_one_csv_are_told_apart(tmp_path):
    titled = [
        line for line in run("--format", "csv", "--results", str(tmp_path)).output.splitlines() if line[:1] == "#"
    ]
    assert [line[: len("# Table 2")] for line in titled] == [f"# Table {number}" for number in range(2, 10)]
    assert "#" not in run("--table", "table5", "--format", "csv", "--results", str(tmp_path)).output[:1]
