from __future__ import annotations

import dataclasses
import re

import pytest

from dinobench.runtime.errors import InputError
from dinobench.training import recipe_checks
from dinobench.training.recipe import Recipe, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_sound_and_says_where_its_numbers_are_from(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert set(recipe.sources) <= {field.name for field in dataclasses.fields(Recipe)}


def test_the_published_recipes():
    small, other = {"mini", "cifar", "imagenette"}, {"resnet50", "xcit", "vits16-nomulticrop", "vits16-batch256"}
    vits = {"vits16-100ep", "vits16-300ep", "vits8", "vitb16", "vitb8"}
    assert {*small, *vits, *other, *(f"table7-row{row}" for row in range(1, 10))} <= set(recipe_names())
    long = load_recipe("vits16-300ep")
    assert (long.epochs, long.batch_size, long.teacher_temp, long.warmup_teacher_temp_epochs) == (300, 1024, 0.07, 30)
    assert long.learn_gain and not load_recipe("vits16-100ep").learn_gain


def test_layers_carry_their_own_fields_alone():
    layered = load_recipe("mini+table7-row3")
    mini = load_recipe("mini")
    assert layered.name == "mini+table7-row3"
    assert layered.centering == "sinkhorn"
    assert layered.epochs == mini.epochs
    assert layered.architecture == mini.architecture


def test_own_files_and_bases(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "mini"\nepochs = 7\n[sources]\nepochs = "a guess"\n')
    recipe = load_recipe(str(path), {"seed": 3})
    assert (recipe.name, recipe.epochs, recipe.seed, recipe.sources["epochs"]) == ("mine", 7, 3, "a guess")
    path.write_text(f'base = "{path}"\n')
    with pytest.raises(InputError, match="its own base"):
        load_recipe(str(path))
    path.write_text("epochs = \n")
    with pytest.raises(InputError, match="not valid TOML"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"warmup_epochs": 500}, "longer than the run"),
        ({"warmup_teacher_temp_epochs": 500}, "longer than the run"),
        ({"epochs": 0}, "epochs must be above 0"),
        ({"local_scale": [0.5, 0.1]}, "a crop's scale"),
        ({"blur_probability": [1.0]}, "three numbers"),
        ({"accumulation": 7}, "does not divide"),
        ({"in_channels": 1}, "mean and std"),
        ({"teacher": "momentm"}, "did you mean momentum"),
        ({"warmup_teacher_temp": 0.09, "warmup_teacher_temp_epochs": 3}, "may only rise"),
        ({"batch_sze": 3}, "did you mean batch_size"),
        ({"freeze_last_layer_epochs": 101}, "freeze_last_layer_epochs = 101 is longer than the run"),
        ({"min_lr": 0.1}, r"min_lr = 0.1 is above the peak rate .* = 0.001"),
        ({"blur_radius": [2.0, 1.0]}, "blur_radius must be a range"),
    ],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        load_recipe("vits16-100ep", changes)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("clip_grad", -1.0, "0 or more"),
        ("weight_decay", -1.0, "0 or more"),
        ("min_lr", -1.0, "0 or more"),
        ("base_lr", float("nan"), "0 or more"),
        ("base_lr", float("inf"), "finite"),
        ("blur_radius", [-1.0, 1.0], "0 or more"),
        ("warmup_epochs", -1, "0 or more"),
        ("knn_every", -1, "0 or more"),
        ("keep_every", -2, "0 or more"),
        ("local_crops", -1, "0 or more"),
        ("knn_images", -1, "above 0"),
        ("accumulation", 0, "above 0"),
        ("queue", -5, "above 0"),
        ("sinkhorn_iterations", 0, "above 0"),
        ("std", [0.2, 0.0, 0.2], "above 0"),
        ("flip_probability", 2.0, "within 0..1"),
        ("blur_probability", [0.5, 1.5, 0.5], "within 0..1"),
        ("brightness", -1.0, "within 0..1"),
        ("momentum_teacher", 1.5, "within 0..1"),
        ("drop_path", 1.0, "within 0..1, below 1"),
        ("hue", 5.0, "within 0..0.5"),
        ("workers", -2, "-1"),
        ("seed", 2**24, "within 0..16777215"),
    ],
)
def test_values_out_of_range_are_refused(name, value, words):
    with pytest.raises(InputError, match=re.escape(f"{name} must be {words}")) as caught:
        load_recipe("mini", {name: value})
    assert f"not {value}" in str(caught.value)


def test_every_range_and_choice_is_of_a_field():
    fields = {field.name for field in dataclasses.fields(Recipe)}
    named = {name for _, _, names in recipe_checks._RANGES for name in names}
    named |= {name for names, _, _ in recipe_checks._IDLE for name in names} | set(recipe_checks._CHOICES)
    assert named <= fields
    numbers = {name for name, value in Recipe().as_dict().items() if type(value) in (int, float)}
    assert numbers - named == {"local_size"}  # which counts where there are local views


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"queue": 64}, {"objective": "infonce"}),
        ({"infonce_temperature": 0.1}, {"objective": "infonce"}),
        ({"sinkhorn_iterations": 5}, {"centering": "sinkhorn"}),
        ({"shuffle_buffer": 5}, {"streaming": True}),
        ({"warmup_teacher_temp": 0.03}, {"warmup_teacher_temp_epochs": 2}),
    ],
)
def test_a_change_without_effect_is_refused(changes, needed):
    (name,) = changes
    with pytest.raises(InputError, match=f"{name} = .* has no effect without {next(iter(needed))}"):
        load_recipe("mini", changes)
    assert getattr(load_recipe("mini", {**changes, **needed}), name) == changes[name]
    assert load_recipe("mini", {name: getattr(load_recipe("mini"), name)}).name == "mini"  # as it was


def test_a_file_may_carry_what_it_does_not_use(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "mini"\nqueue = 7\n')
    assert load_recipe(str(path)).queue == 7


@pytest.mark.parametrize("base", ["mini", "imagenette64", "cifar"])
@pytest.mark.parametrize("layer", [name for name in recipe_names() if name.startswith(("table7", "figure"))])
def test_every_layer_goes_on_every_small_recipe(base, layer):
    assert load_recipe(f"{base}+{layer}").epochs == load_recipe(base).epochs


def test_a_hot_teacher_is_warned_of(capsys):
    load_recipe("mini", {"teacher_temp": 0.1})
    assert "above 0.07" in capsys.readouterr().err


def test_one_mean_serves_every_channel() -> None:
    recipe = load_recipe("mini+channels", {"in_channels": 5})
    assert (recipe.mean, recipe.std) == ([0.5] * 5, [0.25] * 5)
