"""Six steps of the whole training, weight by weight, for every optimiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dinobench.models.networks.vit import VisionTransformer, ViTShape
from dinobench.training.head import DinoHead
from dinobench.training.objective import CrossEntropy
from dinobench.training.optimizers import build_optimizer
from dinobench.training.schedules import cosine_schedule, temperature_schedule
from dinobench.training.step import Learner, StepSettings
from dinobench.training.student_teacher import HeadedNetwork, teacher_of
from dinobench.training.targets import Centered
from tests.golden.conftest import Golden, load_golden

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WEIGHT_TOLERANCE = {"no_clip_two_views": 2e-4}


def backbone(model: dict[str, Any]) -> VisionTransformer:
    shape = ViTShape(
        patch_size=model["patch_size"],
        dim=model["embed_dim"],
        depth=model["depth"],
        heads=model["num_heads"],
        image_size=model["img_size"],
        hidden=int(model["embed_dim"] * model["mlp_ratio"]),
        qkv_bias=model["qkv_bias"],
        norm_eps=model["layernorm_eps"],
    )
    return VisionTransformer(shape, drop_path=model["drop_path"])


def learner_of(golden: Golden, run: dict[str, Any], dtype: torch.dtype) -> Learner:
    model = golden.settings["model"]
    head = DinoHead(
        model["embed_dim"],
        model["out_dim"],
        hidden_dim=model["head_hidden_dim"],
        bottleneck_dim=model["head_bottleneck_dim"],
        layers=model["head_layers"],
        learn_gain=not run["norm_last_layer"],
        batch_norm=model["use_bn"],
    )
    student = HeadedNetwork(backbone(model), head)
    student.load_state_dict({key: torch.from_numpy(value) for key, value in golden.under("init/").items()})
    student.to(dtype)
    objective = CrossEntropy(Centered(model["out_dim"], run["center_momentum"]), run["student_temp"]).to(dtype)
    return Learner(
        student,
        teacher_of(student, backbone(model).to(dtype)),
        objective,
        build_optimizer(run["optimizer"], student),
        clip=run["clip_grad_per_tensor"],
    )


def views_of(golden: Golden, step: int, run: dict[str, Any], dtype: torch.dtype) -> list[torch.Tensor]:
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    crops = [golden.arrays["global_crops"][step], golden.arrays["local_crops"][step][: run["n_local"]]]
    return [
        ((torch.from_numpy(crop).to(dtype) / 255 - mean.to(dtype)) / std.to(dtype)).flatten(0, 1)
        for crop in crops
        if len(crop)
    ]


def settings_of(golden: Golden, run: dict[str, Any]) -> list[StepSettings]:
    epochs, per_epoch = golden.settings["epochs"], golden.settings["iterations_per_epoch"]
    length = {"epochs": epochs, "steps_per_epoch": per_epoch}
    temperatures = temperature_schedule(
        run["warmup_teacher_temp"],
        run["teacher_temp"],
        epochs=epochs,
        warmup_epochs=run["warmup_teacher_temp_epochs"],
    )
    rows = zip(
        cosine_schedule(run["peak_lr"], run["min_lr"], warmup_epochs=run["warmup_epochs"], **length),
        cosine_schedule(run["weight_decay"], run["weight_decay_end"], **length),
        cosine_schedule(run["momentum_teacher"], 1.0, **length),
        strict=True,
    )
    frozen = run["freeze_last_layer_epochs"]
    return [
        StepSettings(lr, decay, momentum, temperatures[step // per_epoch], step // per_epoch < frozen)
        for step, (lr, decay, momentum) in enumerate(rows)
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_run(dtype):
    golden = load_golden("train_trajectory")
    for name, run in golden.settings["runs"].items():
        exact = dtype == torch.float64
        learner = learner_of(golden, run, dtype)
        expected = golden.under(f"run_{name}/")
        check_groups(learner, run)
        for step, settings in enumerate(settings_of(golden, run)):
            assert settings.lr == pytest.approx(expected["lr"][step], rel=1e-12)
            assert settings.weight_decay == pytest.approx(expected["weight_decay"][step], rel=1e-12)
            assert settings.momentum == pytest.approx(expected["momentum"][step], rel=1e-12)
            measured = learner.step([views_of(golden, step, run, dtype)], settings)
            assert measured.loss.item() == pytest.approx(expected["loss"][step], rel=1e-9 if exact else 1e-5)
            center = learner.objective.targets.center[0].numpy()
            np.testing.assert_allclose(center, expected["center"][step], rtol=1e-9, atol=1e-12 if exact else 1e-6)
            check_norms(learner, run, expected, step, [norm.item() for norm in measured.norms])
        check_weights(learner, name, run, expected)


def check_groups(learner: Learner, run: dict[str, Any]) -> None:
    names = {id(parameter): name for name, parameter in learner.student.named_parameters()}
    groups = [[names[id(parameter)] for parameter in group["params"]] for group in learner.optimizer.param_groups]
    assert [set(group) for group in groups] == [set(run["weight_decay_group"]), set(run["no_weight_decay_group"])]


def check_norms(
    learner: Learner, run: dict[str, Any], expected: dict[str, np.ndarray], step: int, norms: list[float]
) -> None:
    """A frozen last layer takes no gradient at all here; the others' norms must agree."""
    kept = [name for name, parameter in learner.student.named_parameters() if parameter.grad is not None]
    ours = dict(zip(kept, norms, strict=True))
    theirs = dict(zip(run["grad_tensor_names"], expected["param_grad_norm"][step], strict=True))
    missing = set(theirs) - set(ours)
    assert all(name.startswith("head.last_layer.") for name in missing)
    exact = learner.objective.targets.center.dtype == torch.float64
    scale = expected["global_grad_norm"][step]
    for name, norm in ours.items():
        assert norm == pytest.approx(theirs[name], rel=1e-9 if exact else 1e-4, abs=(1e-12 if exact else 1e-5) * scale)
    whole = np.sqrt(sum(norm**2 for norm in ours.values()) + sum(theirs[name] ** 2 for name in missing))
    assert whole == pytest.approx(scale, rel=1e-9 if exact else 1e-5)


def check_weights(learner: Learner, name: str, run: dict[str, Any], expected: dict[str, np.ndarray]) -> None:
    for which, network in (("student", learner.student), ("teacher", learner.teacher)):
        state = network.state_dict()
        assert set(run["tensor_names"]) == set(state)
        exact = state["backbone.cls_token"].dtype == torch.float64
        for key, value in expected.items():
            if key.startswith(f"final_{which}/"):
                tensor_name = key.removeprefix(f"final_{which}/")
                ours, theirs = state[tensor_name].numpy(), value
                if not exact and tensor_name.endswith("qkv.bias"):
                    ours, theirs = without_key_part(ours), without_key_part(theirs)
                tolerance = 1e-9 if exact else WEIGHT_TOLERANCE.get(name, 1e-5)
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(1.0, np.abs(theirs).max()))
        if exact:
            check_sums(run["tensor_names"], state, which, expected)


def without_key_part(bias: np.ndarray) -> np.ndarray:
    third = len(bias) // 3
    return np.concatenate([bias[:third], bias[2 * third :]])


def check_sums(names: list[str], state: dict[str, torch.Tensor], which: str, expected: dict[str, np.ndarray]) -> None:
    for index, name in enumerate(names):
        if name.endswith("attn.qkv.bias"):
            continue
        flat = state[name].flatten().numpy()
        sums = {"sum": flat.sum(), "l2": np.linalg.norm(flat), "sindot": flat @ np.sin(np.arange(flat.size) + 1)}
        for kind, value in sums.items():
            assert value == pytest.approx(expected[f"{which}_{kind}"][index], rel=1e-9, abs=1e-9), f"{name} {kind}"
