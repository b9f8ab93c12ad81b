from pathlib import Path

import pandas as pd
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


def test_rows_and_columns_are_chosen_and_written_to_a_file(tmp_path: Path) -> None:
    RecordStore(tmp_path).add(make_record(comparable=False, because=("mini",)))
    target = tmp_path / "table.csv"
    common = ["tables", "--table", "2", "--results", str(tmp_path)]
    done = CliRunner().invoke(
        main, [*common, "--rows", "DINO", "--columns", "k-NN", "--format", "csv", "--output", str(target)]
    )
    assert done.output.strip() == str(target)
    head, *rows = target.read_text().splitlines()
    assert head == "section,Method,Arch.,k-NN,k-NN ours,k-NN low,k-NN high,k-NN difference,k-NN verdict,notes"
    assert {row.split(",")[1] for row in rows} == {"DINO"}
    ours = CliRunner().invoke(main, [*common, "--rows", "ours"])
    assert ours.output.count("| 74.5 |") == 1
    wrong = CliRunner().invoke(main, [*common, "--columns", "kNN"])
    assert wrong.exit_code == 2
    assert "it has Param. (M), im/s, Linear, k-NN" in wrong.output


def test_a_table_of_ones_own_is_a_card_and_its_rows(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("method,arch,top1\nTheirs,ViT-S/16,70.1\n")
    (tmp_path / "tablemine.toml").write_text(
        'title = "Table A"\ncaption = "Mine"\ncsv = "mine.csv"\ntext = [{ name = "method", heading = "Method" }]\n'
        'figures = [{ name = "top1", heading = "Top-1" }]\n'
    )
    done = CliRunner().invoke(main, ["tables", "--table", "mine", "--tables-dir", str(tmp_path)])
    assert "| Theirs | 70.1 |" in done.output
    (tmp_path / "tablemine.toml").write_text('title = "Table A"\ncaption = 5\n')
    wrong = CliRunner().invoke(main, ["tables", "--table", "mine", "--tables-dir", str(tmp_path)])
    assert wrong.exit_code == 2
    assert "tablemine.toml cannot be read" in wrong.output


def test_a_parquet_has_figures_as_numbers_and_needs_a_file(tmp_path: Path) -> None:
    RecordStore(tmp_path).add(make_record())
    target = tmp_path / "tables.parquet"
    done = run("--format", "parquet", "--results", str(tmp_path), "--output", str(target))
    assert done.exit_code == 0, done.output
    frame = pd.read_parquet(target)
    assert list(frame["table"].unique()) == [f"Table {number}" for number in range(2, 10)]
    assert frame["k-NN ours"].max() == 74.5
    refused = run("--format", "parquet", "--results", str(tmp_path))
    assert (refused.exit_code, "name it by --output" in refused.output) == (2, True)
