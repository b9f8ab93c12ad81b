from __future__ import annotations

from click.testing import CliRunner

from dinobench.cli.main import main


def test_the_list_names_every_recipe():
    result = CliRunner().invoke(main, ["recipes"])
    assert result.exit_code == 0
    assert {"mini", "vits16-300ep", "table7-row9"} <= {line.split()[0] for line in result.output.splitlines()}


def test_show_gives_every_field_and_its_source():
    result = CliRunner().invoke(main, ["recipes", "show", "vits16-300ep"])
    assert result.exit_code == 0
    assert "teacher_temp = 0.07  # README, boosted run" in result.output
    assert "epochs = 300" in result.output
    assert "    of the run (whole number, at least 1)" in result.output
    assert "    side of the global views (whole number, at least 1 and at most 16384, in pixels)" in result.output


def test_two_recipes_are_compared_with_both_sources():
    result = CliRunner().invoke(main, ["recipes", "show", "vits16-300ep", "--against", "vits16-100ep"])
    assert result.exit_code == 0
    assert "5 fields differ from vits16-100ep" in result.output
    assert (
        "epochs\n    vits16-300ep: 300  # README, boosted run: 73.3 / 76.0\n    vits16-100ep: 100  # README"
        in result.output
    )
    same = CliRunner().invoke(main, ["recipes", "show", "table7-row1", "--against", "ablation-300ep"])
    assert "equal to ablation-300ep" in same.output


def test_an_unknown_recipe_is_one_line():
    result = CliRunner().invoke(main, ["recipes", "show", "vits16-300"])
    assert result.exit_code == 2
    assert "did you mean" in result.output
