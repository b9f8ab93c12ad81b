"""Names in records and cards that no file should have: nothing is written or shown outside, no command breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinobench.models.loading.download import fetch_weights
from dinobench.runtime.errors import InputError
from tests.end_to_end.test_hostile_cases import WORKING_CARD, refused, run
from tests.results.factory import make_record

NAMES = ["../x", "/etc/x", "a\0b", "CON", "n" * 300, "a\nb", "x.", "..", "\udce9"]
FIELDS = [("task",), ("protocol", "name"), ("model", "name"), ("model", "spec"), ("data", "name"), ("main_metric",)]
TASK = (
    'title = "t"\nevaluator = "knn"\nlayout = "imagefolder"\nmain_metric = "top1"\nsource = "s"\n'
    'default_protocol = "paper"\n[protocols.paper]\nversion = 1\nsummary = "s"\n'
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a neighbour that must stay as it is."""
    (tmp_path / "victim.png").write_text("as it was")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "here" / "cache"))
    return tmp_path / "here"


def files_outside(here: Path) -> list[str]:
    return sorted(path.name for path in here.parent.iterdir() if path != here)


def write_record(here: Path, **changes: object) -> None:
    raw = json.loads(make_record().to_json()) | changes
    (here / "records").mkdir(exist_ok=True)
    (here / "records" / "r.json").write_text(json.dumps(raw))


@pytest.mark.parametrize("field", FIELDS, ids="-".join)
@pytest.mark.parametrize("name", NAMES)
def test_a_records_names_stay_in_the_report(field: tuple[str, ...], name: str, here: Path) -> None:
    raw = json.loads(make_record().to_json())
    inner = raw if len(field) == 1 else raw[field[0]]
    inner[field[-1]] = name
    write_record(here, **raw)
    done = run("report", "--results", "records", "--output", "report")
    assert done.exit_code in (0, 2), done.output
    assert files_outside(here) == ["victim.png"]
    assert all(len(path.name) <= 255 for path in here.rglob("*"))


@pytest.mark.parametrize("name", [*(f"{name}.png" for name in NAMES[:-1]), "../victim.png", "/dev/zero"])
def test_files_of_a_record_are_those_below_it(name: str, here: Path) -> None:
    write_record(here, files=[name], digests={name: "00"})
    done = run("report", "--results", "records", "--output", "report")
    assert done.exit_code == 0, done.output
    assert not list((here / "report").rglob("*.png"))
    checked = run("verify", "records")
    assert (checked.exit_code, "not a file below" in checked.output) == (1, True), checked.output


@pytest.mark.parametrize("name", NAMES)
def test_a_model_card_does_not_choose_where_its_weights_go(name: str, here: Path) -> None:
    folder = here / "reference_models"
    folder.mkdir()
    (folder / "mine.toml").write_text(f"name = {json.dumps(name.replace(chr(0xDCE9), 'e'))}\n{WORKING_CARD}")
    refused(run("models", "fetch", "mine"), "mine.toml states name")
    assert files_outside(here) == ["victim.png"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a\0b", "CON", "n" * 300, "a\nb"])
def test_weights_are_not_put_elsewhere(name: str, here: Path) -> None:
    with pytest.raises(InputError, match="is not taken as a name"):
        fetch_weights(name, "https://localhost/w.pth", folder=here / "weights")


@pytest.mark.parametrize("name", ["CON", "a\nb", "x. "])
def test_a_cards_file_has_a_name_of_every_system(name: str, here: Path) -> None:
    (here / "reference_models").mkdir()
    (here / "reference_models" / f"{name}.toml").write_text(WORKING_CARD)
    refused(run("models"), "is not taken as a name")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('dataset = "../x"\n' + TASK, "dataset of card"),
        ('dataset = "x"\nnote = ""\n' + TASK, "states note"),
        ('dataset = "x"\n' + TASK + '[protocols."../y"]\nversion = 1\nsummary = "s"\n', "protocol ../y of card"),
    ],
)
def test_a_task_cards_names_are_checked(text: str, word: str, here: Path) -> None:
    (here / "tasks").mkdir()
    (here / "tasks" / "mine.toml").write_text(text)
    refused(run("tasks"), word)


@pytest.mark.parametrize("name", ["../published/x.csv", "/etc/passwd", "..", "a\0", "c" * 300])
def test_a_tables_rows_lie_beside_its_card(name: str, here: Path) -> None:
    (here / "tables").mkdir()
    (here / "tables" / "tableA.toml").write_text(f'title = "A"\ncaption = "Mine"\ncsv = {json.dumps(name)}\n')
    refused(run("tables"), "tableA.toml")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("\udce9", "CON")])
def test_a_models_name_of_the_user_stays_in_the_results(name: str, here: Path) -> None:
    if "\0" in name:
        pytest.skip("no command line holds a zero byte")
    done = run("eval", "--task", "knn@quick", "--model", "pixels", "--data", "mini", "--name", name, "--dry-run")
    assert done.exit_code in (0, 2), done.output
    assert files_outside(here) == ["victim.png"]


def test_a_number_of_thousands_of_digits_in_a_tables_card_is_one_line(here: Path) -> None:
    (here / "tables").mkdir()
    (here / "tables" / "tableA.toml").write_text(f"title = {'9' * 5000}\n")
    refused(run("tables"), "tableA.toml")
