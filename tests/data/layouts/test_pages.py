"""The pages of the docs show the tree that `data check` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinobench.cards import load_tasks
from dinobench.data.registry import dataset_layouts, get_layout

PAGES = Path(__file__).parents[3] / "docs" / "data"
ELSEWHERE = {"copydays", "roxford5k", "rparis6k"}  # their pages have no tree


@pytest.mark.parametrize("name", sorted({card.dataset for card in load_tasks().values()} - ELSEWHERE))
def test_each_data_set_of_a_task_has_a_page_with_its_tree(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert get_layout(dataset_layouts()[name]).EXPECTED_TREE in text
    cards = [card for card in load_tasks().values() if card.dataset == name]
    assert all(f"{count:,}" in text for card in cards for count in card.images.values())
    assert f"({name}.md)" in (PAGES / "README.md").read_text()
