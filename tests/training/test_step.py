from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch._dynamo.utils import counters

from dinobench.runtime.errors import InputError
from dinobench.training.build import build_learner
from dinobench.training.compiled import compile_blocks
from dinobench.training.recipe import Recipe
from dinobench.training.step import Learner, StepSettings

TINY = Recipe(architecture="vit_mini/8", drop_path=0.0, global_size=16, local_size=8, local_crops=3, out_dim=32,
              head_hidden=16, head_bottleneck=8, batch_size=4, queue=16)  # fmt: skip
SETTINGS = StepSettings(lr=1e-3, weight_decay=0.04, momentum=0.99, temperature=0.04, frozen=False)
GENERATOR = torch.Generator().manual_seed(0)
VIEWS = [torch.randn(count * 4, 3, size, size, generator=GENERATOR) for count, size in ((2, 16), (3, 8))]


def stepped(recipe: Recipe, dtype: torch.dtype = torch.float64) -> tuple[Learner, torch.Tensor]:
    learner = build_learner(recipe, torch.device("cpu"))
    for module in (learner.student, learner.teacher, learner.objective):
        module.to(dtype)
    measured = learner.step([[group.to(dtype) for group in VIEWS]], SETTINGS)
    return learner, measured.loss


def gradients(learner: Learner) -> list[torch.Tensor]:
    return [parameter.grad for parameter in learner.student.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("objective", ["cross_entropy", "mse", "infonce"])
def test_views_learned_from_in_parts_or_at_once_give_one_gradient(objective, monkeypatch):
    recipe = replace(TINY, objective=objective, clip_grad=0.0)
    parts, loss = stepped(recipe)
    assert [len(part[0]) for part in parts._split_views(VIEWS, 4)] == [4, 4, 12]
    monkeypatch.setattr(Learner, "_split_views", lambda self, views, batch: [views])
    whole, loss_at_once = stepped(recipe)
    torch.testing.assert_close(loss, loss_at_once, rtol=1e-12, atol=0)
    for ours, theirs in zip(gradients(parts), gradients(whole), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_batch_norms_see_all_views_that_they_normalize_together():
    with_norm = build_learner(replace(TINY, head_batch_norm=True), torch.device("cpu"))
    assert [[len(group) for group in part] for part in with_norm._split_views(VIEWS, 4)] == [[8, 12]]
    convnet = build_learner(replace(TINY, architecture="resnet18"), torch.device("cpu"))
    assert [[len(group) for group in part] for part in convnet._split_views(VIEWS, 4)] == [[8], [12]]


def test_bf16_stays_near_float32():
    _, exact = stepped(TINY, torch.float32)
    learner, loss = stepped(replace(TINY, precision="bf16"), torch.float32)
    assert loss.dtype == torch.float32
    assert 0 < abs(loss - exact) < 0.02 * exact
    assert all(parameter.dtype == torch.float32 for parameter in learner.student.parameters())
    assert all(torch.isfinite(gradient).all() for gradient in gradients(learner))


def test_compiled_blocks_are_traced_whole_and_change_nothing():
    recipe = replace(TINY, drop_path=0.2)
    plain, compiled = (build_learner(recipe, torch.device("cpu")) for _ in range(2))
    torch._dynamo.reset()
    counters.clear()
    for network in (compiled.student, compiled.teacher):
        compile_blocks(network, torch.device("cpu"), backend="aot_eager")
    losses = []
    for learner in (plain, compiled):
        torch.manual_seed(0)
        losses.append(learner.step([VIEWS], SETTINGS).loss)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-6, atol=0)
    for ours, theirs in zip(gradients(compiled), gradients(plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert counters["stats"]["unique_graphs"] > 1
    assert not counters["graph_break"]
    assert list(compiled.student.state_dict()) == list(plain.student.state_dict())


def test_a_recipe_compiles_student_and_teacher():
    learner = build_learner(replace(TINY, compile=True), torch.device("cpu"))
    blocks = [*learner.student.backbone.blocks, *learner.teacher.backbone.blocks]
    assert all(block._compiled_call_impl for block in blocks)


def test_a_network_without_blocks_is_not_compiled():
    with pytest.raises(InputError, match="compile = true needs a vision transformer"):
        build_learner(replace(TINY, architecture="resnet18", compile=True), torch.device("cpu"))
