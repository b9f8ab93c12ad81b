"""What tasks say that they cost: every protocol says it, and the images that it counts are those that pass."""

from __future__ import annotations

import pytest
import torch

from dinobench import evaluate, load_backbone
from dinobench.cards import load_tasks
from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, scaled_to
from dinobench.features.network import FrozenNetwork
from dinobench.runtime.plugins import plugin

NETWORK = NetworkShape(dim=384, depth=12, patch=16, side=224, parameters=21_000_000)
TASKS = load_tasks()
PROTOCOLS = [(card.name, name) for card in TASKS.values() for name in card.protocols]


def cost_of(task: str, protocol: str) -> Cost:
    card = TASKS[task]
    images = dict(card.images) or {"train": 1000, "val": 100, "trainval": 1000}
    data = DataFacts({"val": 100, "test": 100, **images}, card.classes or 10)
    found: Cost = plugin("evaluators", card.evaluator, "cost").cost(
        card.protocols[protocol].settings, NETWORK, data, 64
    )
    return found


@pytest.mark.parametrize(("task", "protocol"), PROTOCOLS)
def test_every_protocol_says_what_it_costs(task: str, protocol: str) -> None:
    cost = cost_of(task, protocol)
    assert cost.passes > 0
    assert cost.operations >= 0
    assert cost.held >= 0
    for stage in cost.stages:
        assert stage.work.height > 0
        assert stage.work.width > 0
        assert stage.work.batch > 0


def test_figures_of_the_published_benchmark() -> None:
    knn = cost_of("knn", "paper")
    assert knn.passes == 1_281_167 + 50_000
    assert knn.stored == knn.passes * 384 * 4
    assert cost_of("linear", "paper").passes == 100 * 1_281_167 + 50_000
    assert cost_of("linear", "cached").passes == knn.passes
    assert cost_of("davis", "paper").passes == 1999
    (frames,) = cost_of("davis", "paper").stages
    assert (frames.work.height, frames.work.width) == (480, 640)  # of a usual image of 500 x 375
    (square,), whole = cost_of("davis", "ct").stages, cost_of("davis", "dinov3").stages[0].work
    assert (square.work.height, square.work.width) == (480, 480)
    assert (whole.height, whole.width) == (960, 1280)


def test_tasks_on_the_same_data_share_a_stage() -> None:
    (knn,), (logistic,) = cost_of("knn", "paper").stages, cost_of("logistic", "paper").stages
    assert knn.key == logistic.key
    assert knn.key != cost_of("linear", "cached").stages[0].key  # of more columns


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("knn", {"ks": [5], "main_k": 5}),
        ("logistic", {"max_iterations": 2}),
        ("linear@cached", {"epochs": 1, "lrs": [0.1], "features": ["cls"], "batch_size": 64}),
        ("class-retrieval", {}),
        ("label-free", {"samples": 100, "views": 2, "view_images": 20}),
        ("throughput", {"batch_size": 4, "repeats": 2, "warm_up": 1}),
    ],
)
def test_the_counted_images_are_those_that_pass(
    task: str, settings: dict[str, object], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    passed: list[int] = []
    apply = FrozenNetwork.apply

    def counted(self: FrozenNetwork, forward, images: torch.Tensor):
        passed.append(len(images))
        return apply(self, forward, images)

    monkeypatch.setattr(FrozenNetwork, "apply", counted)
    model = load_backbone("random:vit_mini/8", settings={"image_size": 16})
    (record,) = evaluate(task, model, "digits", output=tmp_path / "records", settings=settings)
    assert not record.failed, record.error
    card = TASKS[record.task]
    used = card.protocol(record.protocol.name).settings
    module = plugin("evaluators", card.evaluator, "cost")
    chosen = type(used)(**{**{name: getattr(used, name) for name in vars(used)}, **_frozen(settings)})
    data = DataFacts({split: info.images for split, info in record.data.splits.items()}, 10)
    shape = NetworkShape(model.loaded.backbone.dim, 2, 8, 16, 1000)
    assert module.cost(chosen, shape, data, 64).passes == sum(passed)


def _frozen(settings: dict[str, object]) -> dict[str, object]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def test_the_shape_of_a_usual_image() -> None:
    data = DataFacts({}, height=375, width=500)
    assert scaled_to(data, 480, 16) == (480, 640)
    assert scaled_to(data, 0, 16) == (368, 496)
    assert scaled_to(data, 4, 16) == (16, 16)
