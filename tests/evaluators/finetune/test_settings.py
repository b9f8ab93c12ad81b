from __future__ import annotations

from typing import Any

import pytest

from dinobench.cards import load_tasks
from dinobench.evaluators.finetune.randaugment import parse_rand_augment
from dinobench.evaluators.finetune.settings import Settings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import fields_of, resolve

CARDS = {name: card for name, card in load_tasks().items() if card.evaluator == "finetune"}
FIELDS = {name for name, field in fields_of(Settings).items() if field.about.moves_figure}


def test_there_is_a_card_for_every_column_of_table_6() -> None:
    columns = {cell.column for card in CARDS.values() for cell in card.cells}
    assert columns == {"cifar10", "cifar100", "inat18", "inat19", "flowers", "cars", "imagenet"}
    assert all("table6" in card.groups for card in CARDS.values())


@pytest.mark.parametrize("name", CARDS)
def test_every_protocol_is_a_recipe_and_every_field_of_the_papers_has_a_source(name: str) -> None:
    card = CARDS[name]
    for protocol in card.protocols.values():
        parse_rand_augment(protocol.settings.auto_augment, (0, 0, 0))
    assert set(card.protocol("paper").sources) == FIELDS
    assert not card.protocol("quick").comparable


@pytest.mark.parametrize("name", CARDS)
def test_what_is_called_stated_names_its_thread(name: str) -> None:
    for source in CARDS[name].protocol("paper").sources.values():
        assert not source.startswith("stated") or "dino#" in source or "deit#" in source


def test_learning_rates_are_the_stated_ones_after_scaling() -> None:
    rates = {name: card.protocol("paper").settings.lr for name, card in CARDS.items()}
    assert rates == {
        "finetune-cars": 1.125e-4,  # iBOT run.sh: 7.5e-5 before the scaling by 768/512
        "finetune-cifar10": 7.5e-6,
        "finetune-cifar100": 7.5e-6,  # dino#81: after the scaling; dino#144's 5e-6 is the command's value before it
        "finetune-flowers": 1.125e-5,  # iBOT run.sh: 7.5e-6 before the scaling by 768/512
        "finetune-imagenet": 1e-3,
        "finetune-inat18": 7.5e-5,
        "finetune-inat19": 7.5e-5,
    }
    assert rates["finetune-inat18"] == pytest.approx(5e-5 * 768 / 512)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs of quick is 0; give a whole number, at least 1"),
        ({"lr": -1.0}, "lr of quick is -1.0"),
        ({"optimizer": "lion"}, "adamw or sgd"),
        ({"schedule": "hour"}, "epoch or update"),
        ({"crop_scale": [0.5]}, "crop_scale"),
        ({"crop_scale": [0.5, 1.5]}, "crop_scale"),
        ({"layer_decay": 0.0}, "layer_decay"),
        ({"drop_path": 1.0}, "drop_path"),
        ({"warmup_epochs": 15}, "leaves nothing"),
        ({"erasing": 5.0}, "erasing of quick is 5.0; give a number, at least 0 and at most 1"),
        ({"flip": 7.0}, "flip of quick is 7.0"),
        ({"flip": -0.1}, "flip of quick is -0.1"),
        ({"lr": float("nan")}, "lr of quick is nan"),
    ],
)
def test_values_that_no_run_can_use_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(Settings, change, "quick", CARDS["finetune-cifar10"].protocol("quick").settings)
