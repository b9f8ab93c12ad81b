from click.testing import CliRunner

from dinobench.cards import load_tasks
from dinobench.cli.main import main
from dinobench.runtime.settings import plain, toml_text


def test_the_list_names_every_task_with_its_protocols() -> None:
    lines = CliRunner().invoke(main, ["tasks"]).output.splitlines()
    assert [line.split()[0] for line in lines] == list(load_tasks())
    assert any("[paper" in line for line in lines if line.startswith("knn "))


def test_show_prints_every_setting_of_every_protocol() -> None:
    done = CliRunner().invoke(main, ["tasks", "show", "knn"])
    assert done.exit_code == 0
    for protocol in load_tasks()["knn"].protocols.values():
        assert f"knn@{protocol.name} version {protocol.version}" in done.output
        assert all(f"{key} = {toml_text(value)}" in done.output for key, value in plain(protocol.settings).items())


def test_an_unknown_task_gets_a_suggestion() -> None:
    done = CliRunner().invoke(main, ["tasks", "show", "kn"])
    assert (done.exit_code, "did you mean knn" in done.output) == (2, True)
