from __future__ import annotations

from click.testing import CliRunner

from dinobench.cli.main import main
from tests.results.test_compare import _add


def test_prints_the_difference(tmp_path):
    _add(tmp_path, "good", range(90))
    _add(tmp_path, "poor", range(50))
    done = CliRunner().invoke(main, ["compare", "good", "poor", "--results", str(tmp_path)])
    assert done.exit_code == 0
    assert "knn@paper, top1, 100 images" in done.output
    assert "A - B = +40.00" in done.output
    assert "A and B differ" in done.output


def test_says_how_many_runs_are_behind_a_mean(tmp_path):
    _add(tmp_path, "good", range(90))
    _add(tmp_path, "again", range(80), model_name="good", deviations={"seed": 1}, sha256="good" * 8)
    _add(tmp_path, "poor", range(50))
    done = CliRunner().invoke(main, ["compare", "good", "poor", "--results", str(tmp_path)])
    assert "top1, 100 images, means of 2 and 1 runs" in done.output
    assert "A - B = +35.00" in done.output


def test_one_line_for_an_unknown_model(tmp_path):
    done = CliRunner().invoke(main, ["compare", "x", "y", "--results", str(tmp_path)])
    assert done.exit_code == 2
    assert done.output.startswith("Error: no record of model 'x'")
    assert "Traceback" not in done.output


def test_more_than_two_models_are_compared_two_by_two_and_corrected(tmp_path):
    for name, right in {"good": range(90), "fair": range(80), "poor": range(50)}.items():
        _add(tmp_path, name, right)
    done = CliRunner().invoke(main, ["compare", "good", "fair", "poor", "--results", str(tmp_path)])
    assert done.output.count("A - B =") == 3
    assert "by Holm's correction" in done.output
    alone = CliRunner().invoke(main, ["compare", "good", "--results", str(tmp_path)])
    assert (alone.exit_code, "two or more" in alone.output) == (2, True)
