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
    assert "teacher_temp = 0.07  # released README" in result.output
    assert "epochs = 300" in result.output


def test_an_unknown_recipe_is_one_line():
    result = CliRunner().invoke(main, ["recipes", "show", "vits16-300"])
    assert result.exit_code == 2
    assert "did you mean" in result.output
