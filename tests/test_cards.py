from pathlib import Path

import pytest

from dinobench.cards import load_tasks, packaged
from dinobench.evaluators.base import find_evaluator
from dinobench.evaluators.knn.settings import Settings
from dinobench.pipeline import evaluate
from dinobench.pipeline.selection import select_tasks
from dinobench.results.tables.published import read_published
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
main_k = 10
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
    assert card.protocol().settings == Settings(main_k=10)  # the rest as the paper has it
    assert select_tasks("mine", load_tasks(tmp_path)) == [(card, card.protocol())]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("mian_metric = 'x'\n" + CARD, "did you mean main_metric"),
        (CARD.replace('evaluator = "knn"', ""), "needs evaluator"),
        (CARD.replace('default_protocol = "paper"', 'default_protocol = "papper"'), "did you mean paper"),
        ("title = ", "not valid TOML"),
        (f"title = {'[' * 3000}", "nested too deep"),
        (CARD.replace('"knn"', '"base"'), "unknown evaluator 'base'"),
        (CARD.replace('"knn"', "5"), "unknown evaluator '5'"),
        (CARD.replace('title = "Mine"', "title = 7"), "title of card .* is 7; give text"),
        ('groups = "table10"\n' + CARD, "groups of card .* is 'table10'; give a list of texts"),
        ('classes = "many"\n' + CARD, "classes of card .* is 'many'; give a whole number"),
        ("images = [1]\n" + CARD, "images of card .* give a table"),
        ("images = { val = 'x' }\n" + CARD, "images of card .* give a table"),
        ("usual_size = [480, 0]\n" + CARD, "usual_size of card .* is"),
        ("usual_size = 480\n" + CARD, "usual_size of card .* is 480"),
        ("cells = 3\n" + CARD, "cells is 3; give tables"),
        ("cells = [{ table = 2, column = 'x', metric = 'y' }]\n" + CARD, "table of card .* is 2; give text"),
        ("protocols = 3\n" + CARD.partition("[protocols")[0], "protocols is 3; give a table"),
        ("[options]\nsearch = 'faiss'\n" + CARD, "options"),
        (CARD + "ks = 'ten'\n", "ks of protocol paper of card .* is 'ten'"),
        (CARD.replace("main_k = 10", "k = 10"), "unknown setting of protocol paper of card"),
        (CARD.replace("[protocols.paper.settings]\nmain_k = 10", "settings = 5"), "settings is 5; give a table"),
        (CARD.replace("version = 1", "version = 'one'"), "version of card .* is 'one'; give a whole number"),
        (CARD + "[protocols.paper.sources]\nkk = 'x'\n", "unknown source of protocol paper"),
    ],
)
def test_a_broken_card_is_named_in_one_line(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_tasks(write_card(tmp_path, change))
    assert str(tmp_path / "mine.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


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
    other = load_tasks(write_card(tmp_path, CARD.replace("main_k = 10", "main_k = 100")))["mine"].protocol().hash
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


def test_hashes_of_protocols_are_those_of_earlier_releases() -> None:
    """Taken before settings became types: records of the same protocol keep the same hash."""
    tasks = load_tasks()
    known = {
        "copydays@paper": "fb0e5c60d4009573",
        "davis@paper": "9ca5e59212ebf781",
        "finetune-cars@paper": "84b09f1c4411f9fa",  # version 2: AdamW
        "finetune-cars@deit": "be6df42836b955d6",
        "finetune-cifar10@quick": "4524ca4e52ed195c",
        "knn@paper": "4164b470b177122e",
        "knn-1pct@random": "ae90af8e4ce230b6",
        "linear@cached": "499c702dc8a63366",
        "logistic-10pct@paper": "d54c81d2a3f0c2df",  # version 2: a finer tolerance
        "rparis@dino": "90d5041507b83795",
        "throughput@paper": "644524525c1f487a",
        "voc-attention@paper": "dca18f62fb220246",
    }
    assert {name: tasks[name.split("@")[0]].protocol(name.split("@")[1]).hash for name in known} == known


def test_a_card_in_the_place_of_a_built_in_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "knn.toml").write_text(CARD)
    assert "replaces the built-in card knn" in load_tasks(tmp_path)["knn"].note
    assert not load_tasks()["knn"].note
    (tmp_path / "davis.toml").write_bytes((packaged("tasks") / "davis.toml").read_bytes())
    assert not load_tasks(tmp_path)["davis"].note


def test_a_figure_of_a_replaced_card_is_not_the_papers(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    changed = (
        packaged("tasks") / "throughput.toml"
    ).read_text() + "[protocols.paper.settings]\nrepeats = 1\nbatch_size = 1\n"
    (tmp_path / "tasks" / "throughput.toml").write_text(changed)
    (record,) = evaluate("throughput", "pixels", "mini", output=tmp_path / "out", tasks_dir=tmp_path / "tasks")
    assert "throughput.toml replaces the built-in card throughput" in record.because[0]


def test_the_figure_of_places_with_a_tenth_of_the_labels_is_of_200_neighbors() -> None:
    for share in ("1pct", "10pct"):
        card = Path(__file__).parents[1] / "tasks" / f"knn-places-{share}.toml"
        assert "k = 200" in card.read_text() and "\nmain_k = 200\n" in card.read_text()
