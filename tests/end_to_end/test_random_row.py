"""A random network fills the published row of random weights."""

from __future__ import annotations

import pytest

from dinobench.pipeline.model import ModelRequest, resolve_model


@pytest.mark.parametrize(
    ("model", "card"),
    [
        ("random:vit_small/16", "random_vits16"),
        ("random:ViT-S/8", "random_vits8"),
        ("random_vits16", "random_vits16"),
        ("random:vit_mini/4", None),
        ("pixels", None),
    ],
)
def test_random_weights_have_the_card_of_their_architecture(model: str, card: str | None) -> None:
    found = resolve_model(ModelRequest(model)).card
    assert (found and found.name) == card
