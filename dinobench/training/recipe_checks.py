"""What contradicts what in a recipe, and what would have no effect; ranges stand with the fields."""

from __future__ import annotations

from collections.abc import Callable

from dinobench.runtime.errors import InputError
from dinobench.training.recipe import Recipe

_IDLE: tuple[tuple[tuple[str, ...], Callable[[Recipe], bool], str], ...] = (
    (("queue", "infonce_temperature"), lambda recipe: recipe.objective != "infonce", "objective = infonce"),
    (
        ("sinkhorn_iterations", "sinkhorn_per_view"),
        lambda recipe: recipe.centering != "sinkhorn",
        "centering = sinkhorn",
    ),
    (("predictor_hidden",), lambda recipe: not recipe.predictor, "predictor = true"),
    (("out_dim", "learn_gain"), lambda recipe: not recipe.head_outputs, "head_outputs = true"),
    (("init_all", "guard", "adapter_rank", "anchor"), lambda recipe: not recipe.init, "init = SPEC"),
    (("head_lr", "head_settled"), lambda recipe: recipe.head_epochs == 0, "head_epochs above 0"),
    (("shuffle_buffer",), lambda recipe: not recipe.streaming, "streaming = true"),
    (
        ("warmup_teacher_temp",),
        lambda recipe: recipe.warmup_teacher_temp_epochs == 0,
        "warmup_teacher_temp_epochs above 0",
    ),
)


def check_recipe(recipe: Recipe) -> None:
    """Refuse what cannot run or contradicts itself.

    Raises:
        InputError: names the fields and the remedy.
    """
    for broken, remedy in _find_contradictions(recipe):
        if broken:
            raise InputError(f"recipe {recipe.name}: {remedy}")


def warnings_of(recipe: Recipe) -> list[str]:
    """What seldom trains well in a recipe, one line each, for the one who trains by it."""
    if recipe.teacher_temp > 0.07 and recipe.objective == "cross_entropy" and recipe.sharpening:
        return [f"warning: teacher_temp {recipe.teacher_temp} is above 0.07, where training is known to turn unstable"]
    return []


def idle_settings(recipe: Recipe) -> set[str]:
    """Names of settings that nothing of a recipe reads."""
    return {name for names, idle, _ in _IDLE if idle(recipe) for name in names}


def refuse_idle(before: Recipe, recipe: Recipe) -> None:
    """Refuse a setting that the user changed and nothing reads; a recipe file may carry it for others on top.

    Raises:
        InputError: names the setting and what it needs.
    """
    for names, idle, needed in _IDLE:
        for name in names:
            value = getattr(recipe, name)
            if value != getattr(before, name) and idle(recipe):
                raise InputError(
                    f"recipe {recipe.name}: {name} = {value} has no effect without {needed}; set that too, or leave "
                    f"{name} out"
                )


def _find_contradictions(recipe: Recipe) -> list[tuple[bool, str]]:
    return [*_of_data(recipe), *_of_views(recipe), *_of_the_run(recipe)]


def _of_data(recipe: Recipe) -> list[tuple[bool, str]]:
    return [
        (recipe.epoch_images != 0 and not recipe.streaming, "epoch_images belongs to streaming = true"),
        (
            recipe.streaming and recipe.in_channels not in (1, 3),
            f"streams hold RGB images; in_channels = {recipe.in_channels} needs stored ones",
        ),
        (
            recipe.in_channels not in (1, 3)
            and bool(recipe.jitter_probability or recipe.grayscale_probability or recipe.solarize_probability),
            f"jitter, grayscale and solarization belong to RGB; with in_channels = {recipe.in_channels} "
            "set jitter_probability, grayscale_probability and solarize_probability to 0",
        ),
        (
            len(recipe.mean) != recipe.in_channels or len(recipe.std) != recipe.in_channels,
            f"mean and std need {recipe.in_channels} numbers each",
        ),
    ]


def _of_views(recipe: Recipe) -> list[tuple[bool, str]]:
    scales = [recipe.global_scale, *([recipe.local_scale] if recipe.local_crops else [])]
    radius = recipe.blur_radius
    return [
        (recipe.local_crops > 0 and recipe.local_size <= 0, "local_size must be above 0 where there are local views"),
        (
            any(len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1 for scale in scales),
            "a crop's scale is a range [low, high] within 0 and 1",
        ),
        (len(recipe.blur_probability) != 3, "blur_probability needs three numbers: first global, second global, local"),
        (len(radius) != 2 or radius[0] > radius[-1], f"blur_radius must be a range [low, high], not {radius}"),
    ]


def _of_the_run(recipe: Recipe) -> list[tuple[bool, str]]:
    lengths = ("warmup_epochs", "warmup_teacher_temp_epochs", "freeze_last_layer_epochs")
    peak = recipe.lr * recipe.batch_size / 256
    return [
        (
            recipe.head_epochs > 0 and recipe.head_epochs + recipe.warmup_epochs > recipe.epochs,
            f"head_epochs and warmup_epochs are longer than the run of {recipe.epochs} epochs; raise epochs",
        ),
        (
            recipe.init_all and recipe.frozen_blocks > 0,
            "init_all takes an optimizer that moves all blocks; set frozen_blocks=0, or init_all=false",
        ),
        (
            recipe.init_all and recipe.adapter_rank > 0,
            "init_all takes an optimizer that moves all weights; set adapter_rank=0, or init_all=false",
        ),
        (recipe.guard != "off" and recipe.streaming, "guard needs stored images; set guard=off or streaming=false"),
        (recipe.guard != "off" and recipe.knn_every == 0, "guard needs the probe; set knn_every=1, or guard=off"),
        (
            recipe.objective == "mse" and recipe.centering not in ("ema", "none"),
            f"centering = {recipe.centering} makes probabilities; with objective = mse set it to ema or none",
        ),
        (
            recipe.objective == "cross_entropy" and not recipe.head_outputs,
            "objective = cross_entropy compares K outputs; set head_outputs to true, or objective to mse or infonce",
        ),
        *(
            (
                getattr(recipe, name) > recipe.epochs,
                f"{name} = {getattr(recipe, name)} is longer than the run; lower it or raise epochs = {recipe.epochs}",
            )
            for name in lengths
        ),
        (
            recipe.warmup_teacher_temp_epochs > 0 and recipe.warmup_teacher_temp > recipe.teacher_temp,
            "warmup_teacher_temp is above teacher_temp; the temperature may only rise",
        ),
        (
            recipe.min_lr > peak * (1 + 1e-9),  # not by the rounding of a rate meant to be constant
            f"min_lr = {recipe.min_lr:g} is above the peak rate lr * batch_size / 256 = {peak:g}; lower it",
        ),
        (
            recipe.batch_size % recipe.accumulation != 0,
            f"accumulation = {recipe.accumulation} does not divide batch_size = {recipe.batch_size}",
        ),
    ]
