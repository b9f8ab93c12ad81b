from __future__ import annotations

import dataclasses

import pytest

from dinobench.runtime.errors import InputError
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
    ],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        load_recipe("vits16-100ep", changes)


def test_a_hot_teacher_is_warned_of(capsys):
    load_recipe("mini", {"teacher_temp": 0.1})
    assert "above 0.07" in capsys.readouterr().err
