"""Each row of Tables 2 to 6 can be rehearsed: its weights are drawn in its layout, or its recipe trains."""

from __future__ import annotations

import pytest
import torch

from dinobench.cards import load_models, load_tasks
from dinobench.models.loading.drawn_file import drawn_state
from dinobench.models.loading.family import family_called
from dinobench.pipeline.rehearsal import brief_training
from dinobench.pipeline.reproduce import PAPER
from dinobench.training.recipe_files import load_recipe

TASKS = load_tasks()
ROWS = {name: card for name, card in load_models().items() if {row.table for row in card.rows} & set(PAPER)}


@pytest.mark.parametrize("name", [name for name, card in ROWS.items() if card.recipe and not card.released])
def test_a_brief_training_sets_nothing_that_its_recipe_does_not_read(name: str) -> None:
    recipe = ROWS[name].recipe
    if "@" in recipe:
        task, _, protocol = recipe.partition("@")
        assert TASKS[task].protocol(protocol).settings.epochs > 1
    else:
        assert load_recipe(recipe, brief_training(recipe)).epochs == 1


@pytest.mark.parametrize("name", [name for name, card in ROWS.items() if card.released and card.family != "none"])
def test_a_row_of_released_weights_has_a_layout_to_draw_them_in(name: str) -> None:
    card = ROWS[name]
    with torch.device("meta"):
        assert drawn_state(family_called(card.family), card.architecture, card.key_layout)
