from pathlib import Path

import pytest

from dinobench.cards import load_tasks, select_tasks
from dinobench.evaluators.base import find_evaluator
from dinobench.results.tables.build import read_published
from dinobench.results.tables.specs import load_tables
from dinobench.runtime.errors import InputError

TABLES = load_tables()

PUBLISHED = Path(__file__).parents[1] / "results" / "published"
CARD = """
title = "Mine"
evaluator = "knn"
dataset = "mine"
layout = "imagefolder"
main_metric = "top1"
source = "me"
default_protocol = "paper"
[protocols.paper]
version = 1
summary = "as in the paper"
[protocols.paper.settings]
k = 20
"""


def write_card(folder: Path, text: str = CARD) -> Path:
    (folder / "mine.toml").write_text(text)
    return folder


@pytest.mark.parametrize("name", load_tasks())
def test_every_packaged_task_can_run_and_stands_in_a_real_column(name: str) -> None:
    card = load_tasks()[name]
    assert callable(find_evaluator(card.evaluator))
    for cell in card.cells:
        published = read_published(TABLES[cell.table].path)
        assert cell.column in published[0]
        assert any(cell.row.items() <= row.items() for row in published)


def test_a_new_benchmark_is_one_file(tmp_path: Path) -> None:
    card = load_tasks(write_card(tmp_path))["mine"]
    assert card.protocol().settings == {"k": 20}
    assert select_tasks("mine", load_tasks(tmp_path)) == [(card, card.protocol())]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("mian_metric = 'x'\n" + CARD, "did you mean main_metric"),
        (CARD.replace('evaluator = "knn"', ""), "needs evaluator"),
        (CARD.replace('default_protocol = "paper"', 'default_protocol = "papper"'), "did you mean paper"),
        ("title = ", "not valid TOML"),
    ],
)
def test_a_broken_card_is_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_tasks(write_card(tmp_path, change))


def test_a_missing_folder_of_cards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of cards"):
        load_tasks(tmp_path / "absent")


def test_a_mistyped_task_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean knn"):
        select_tasks("kn", load_tasks())


def test_a_group_and_a_name_give_each_task_once() -> None:
    names = [card.name for card, _ in select_tasks("knn,table2", load_tasks())]
    assert names[0] == "knn"
    assert len(names) == len(set(names))


def test_the_hash_of_a_protocol_follows_its_settings(tmp_path: Path) -> None:
    one = load_tasks(write_card(tmp_path))["mine"].protocol().hash
    other = load_tasks(write_card(tmp_path, CARD.replace("k = 20", "k = 21")))["mine"].protocol().hash
    assert one != other


def test_a_task_may_name_its_protocol():
    chosen = select_tasks("copydays@textbook,copydays,knn", load_tasks(), "paper")
    assert [(card.name, protocol.name) for card, protocol in chosen] == [
        ("copydays", "textbook"),
        ("copydays", "paper"),
        ("knn", "paper"),
    ]
    with pytest.raises(InputError, match="protocol of task knn 'papr'"):
        select_tasks("knn@papr", load_tasks())
