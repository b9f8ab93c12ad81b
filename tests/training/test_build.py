from __future__ import annotations

import pytest
import torch

from dinobench.runtime.errors import InputError
from dinobench.training import build
from dinobench.training.build import build_learner
from dinobench.training.recipe_files import load_recipe

CPU = torch.device("cpu")


def shapes(name: str, **changes: object) -> dict[str, tuple[int, ...]]:
    """Shapes of the student's matrices outside the backbone."""
    learner = build_learner(load_recipe(name, {"min_lr": 0.0, **changes}), CPU)
    state = learner.student.state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if "backbone" not in key and value.ndim == 2}


def test_a_predictor_acts_on_the_projection():
    found = shapes("mini+table7-row6")
    assert (found["predictor.0.weight"], found["predictor.2.weight"]) == ((256, 64), (64, 256))
    assert found["head.last_layer.weight_v"] == (1024, 64)
    assert load_recipe("table7-row6").predictor_hidden == 4096


@pytest.mark.parametrize("row", ["table7-row7", "table7-row8"])
def test_byol_and_moco_compare_projections(row):
    assert not [key for key in shapes(f"mini+{row}") if "last_layer" in key]
    learner = build_learner(load_recipe(f"mini+{row}"), CPU)
    assert learner.student([torch.zeros(4, 3, 32, 32)])[0].shape == (4, 64)


def test_a_queue_that_does_not_fit_is_refused_before_it_is_drawn(monkeypatch):
    monkeypatch.setattr(build, "memory_bytes", lambda device: 16 * 10**9)
    drawn: list[object] = []
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: drawn.append(shape))
    recipe = load_recipe("vits16-300ep", {"objective": "infonce"})
    with pytest.raises(InputError, match=r"a queue of 65536 x 65536 numbers needs 34.4 GB and cpu has 16.0 GB; lower"):
        build.build_objective(recipe, CPU)
    assert not drawn
