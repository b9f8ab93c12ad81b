import csv
import io
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dinobench.results.tables import tables
from dinobench.results.tables.build import Table
from dinobench.results.tables.render import FORMATS, render
from dinobench.results.tables.specs import load_tables
from dinobench.runtime.errors import InputError

TABLES = load_tables()

TABLE = Table(
    "Table 2",
    "Caron et al. (2021)",
    "Odd & ends, 100%",
    ("Method", "k-NN", "ours", "Δ"),
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
    assert "{[z] <i>}" in text
    assert r"\caption{Odd \& ends, 100\%, after Table 2 of Caron et al. (2021)}" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_of_every_table_compiles(tmp_path: Path) -> None:
    body = "".join(tables(name, "latex", tmp_path / "none") for name in TABLES)
    document = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + body + "\\end{document}\n"
    (tmp_path / "tables.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 0


@pytest.mark.parametrize("style", FORMATS)
def test_all_tables_render_without_any_record(style: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "ViT-S/16" in tables("all", style, tmp_path / "none")
    assert "there is no folder of records" in capsys.readouterr().err


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean markdown"):
        render(TABLE, "markdwn")
