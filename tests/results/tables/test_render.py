import csv
import io
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dinobench.cards import load_tasks
from dinobench.results.records import RunRecord
from dinobench.results.tables import tables
from dinobench.results.tables.build import Table, TableColumn, build_table
from dinobench.results.tables.latex import PACKAGES, to_latex
from dinobench.results.tables.published import read_published
from dinobench.results.tables.render import FORMATS, render
from dinobench.results.tables.specs import load_tables
from dinobench.runtime.errors import InputError
from tests.results.factory import make_record

TABLES = load_tables()

TABLE = Table(
    "Table 2",
    "Caron et al. (2021)",
    "Odd & ends, 100%",
    (TableColumn("Method"), *(TableColumn(heading, "k-NN", "max") for heading in ("k-NN", "ours", "Δ"))),
    (("a_b", (("x|y [a]", "74.5", "–", "−0.2"),)), ("", (("[z] <i>", "1.0", "2.0", "+1.0"),))),
    ("[a] it's 5% & more",),
)


def test_markdown_rows_are_as_wide_as_the_head() -> None:
    rows = [line for line in render(TABLE, "markdown").splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in rows} == {5}
    assert "[a] it's 5% & more" in render(TABLE, "markdown")


def test_csv_reads_back_with_plain_figures_and_notes() -> None:
    rows = list(csv.DictReader(io.StringIO(render(TABLE, "csv"))))
    assert rows[0] == {
        "section": "a_b",
        "Method": "x|y",
        "k-NN": "74.5",
        "k-NN ours": "",
        "k-NN low": "",
        "k-NN high": "",
        "k-NN difference": "-0.2",
        "notes": "it's 5% & more",
    }


def test_html_is_well_formed_and_escaped() -> None:
    tree = ElementTree.fromstring(f"<body>{render(TABLE, 'html')}</body>")
    assert [cell.text for cell in tree.iter("td")][4] == "[z] <i>"


def test_latex_escapes_what_latex_would_read() -> None:
    text = render(TABLE, "latex")
    assert r"a\_b" in text
    assert r"100\%" in text
    assert r"{[z] \textless{}i\textgreater{}}" in text
    assert r"\caption{Odd \& ends, 100\%, after Table 2 of Caron et al. (2021)}" in text


def compiled(body: str, folder: Path) -> str:
    """The log of pdflatex on `body` in an article."""
    packages = "".join(f"\\usepackage{{{name}}}" for name in PACKAGES)
    document = f"\\documentclass{{article}}{packages}\\begin{{document}}\n{body}\\end{{document}}\n"
    (folder / "tables.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="latin-1")
    assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "tables.log").read_text(encoding="latin-1")


def widest_overfull(log: str) -> float:
    return max((float(width) for width in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", log)), default=0.0)


def own_records(count: int) -> list[RunRecord]:
    """Records of `count` models that fill every column that a task can fill, under names of many kinds."""
    kinds = ("teacher", "a_rather_long_name_of_a_run_with_lr0.0005_and_batch_1024", "名前", "café & 100%", "x" * 60)
    records = []
    for number in range(count):
        name = f"{kinds[number % len(kinds)]}{number}"
        model = {"name": name, "sha256": f"{number:064d}", "architecture": "vit_small/16", "parameters": 21_665_664}
        for card in load_tasks().values():
            metrics = {cell.metric: 1.25 + number / 7 for cell in card.cells} | {card.main_metric: 55.5}
            intervals = {metric: (value - 1, value + 1) for metric, value in metrics.items()}
            because = ("1000 val images where the benchmark has 50000",)
            changes = {"metrics": metrics, "intervals": intervals, "because": because, "main_metric": card.main_metric}
            records.append(make_record(task=card.name, model=model, comparable=False, **changes))
    return records


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize(("count", "intervals"), [(0, False), (5, True), (40, False), (200, False)])
def test_latex_of_every_table_fits_the_page(tmp_path: Path, count: int, intervals: bool) -> None:
    records, cards = own_records(count), load_tasks()
    built = [build_table(spec, read_published(spec.path), records, cards, {}) for spec in TABLES.values()]
    body = "\\clearpage\n".join(to_latex(table, intervals=intervals, bold=intervals) for table in built)
    assert widest_overfull(compiled(body, tmp_path)) <= 1.0


@pytest.mark.parametrize("style", FORMATS)
def test_all_tables_render_without_any_record(style: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "ViT-S/16" in tables("all", style, tmp_path / "none")
    assert "there is no folder of records" in capsys.readouterr().err


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean markdown"):
        render(TABLE, "markdwn")


@pytest.mark.parametrize(("rows", "said"), [("dinoo", "did you mean DINO?"), ("DINO,zzzzzzzz", "rows are BYOL, ")])
def test_a_pattern_that_names_no_row_is_refused(rows: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row is named") as refused:
        tables("2", results=tmp_path, rows=rows)
    assert said in str(refused.value)


def test_a_table_without_a_figure_of_ours_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables("2", results=tmp_path, rows="ours")
    assert f"no record under {tmp_path} has a figure for this table" in capsys.readouterr().err
