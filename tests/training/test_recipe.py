from __future__ import annotations

import re

import pytest

from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import fields_of
from dinobench.training import recipe_checks
from dinobench.training.recipe import RecipeSettings
from dinobench.training.recipe_checks import warnings_of
from dinobench.training.recipe_files import load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_sound_and_says_where_its_numbers_are_from(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert [field for field in fields_of(RecipeSettings) if field not in recipe.sources] == []
    assert set(recipe.sources) <= set(fields_of(RecipeSettings))


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
        ({"epochs": 0}, "epochs of recipe vits16-100ep is 0; give a whole number, at least 1"),
        ({"base_lr": 0.1}, "base_lr.* is now called lr"),
        ({"name": "mine"}, "unknown setting of recipe vits16-100ep 'name'"),
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
    ("name", "value"),
    [
        ("clip_grad", -1.0),
        ("weight_decay", -1.0),
        ("min_lr", -1.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("blur_radius", [-1.0, 1.0]),
        ("warmup_epochs", -1),
        ("knn_every", -1),
        ("keep_every", -2),
        ("local_crops", -1),
        ("knn_images", -1),
        ("accumulation", 0),
        ("queue", -5),
        ("sinkhorn_iterations", 0),
        ("std", [0.2, 0.0, 0.2]),
        ("flip_probability", 2.0),
        ("blur_probability", [0.5, 1.5, 0.5]),
        ("brightness", -1.0),
        ("momentum_teacher", 1.5),
        ("drop_path", 1.0),
        ("hue", 5.0),
        ("workers", -2),
        ("seed", 2**24),
        ("out_dim", "many"),
    ],
)
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=re.escape(f"{name} of recipe mini is {value!r}; give ")):
        load_recipe("mini", {name: value})


def test_every_number_of_a_recipe_has_a_range_and_every_field_a_line_of_help():
    fields = fields_of(RecipeSettings)
    assert [name for name, field in fields.items() if not field.about.help] == []
    numbers = {name for name, field in fields.items() if type(field.default) in (int, float)}
    assert [
        name for name in numbers if "least" not in fields[name].expected and "above" not in fields[name].expected
    ] == []
    assert {name for names, _, _ in recipe_checks._IDLE for name in names} <= set(fields)


def test_a_changed_value_does_not_keep_the_source_of_the_one_before(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "vits16-100ep"\nepochs = 70\n')
    assert "epochs" not in load_recipe(str(path)).sources
    assert "lr" in load_recipe(str(path)).sources
    path.write_text('base = "mini"\n[sources]\nepoch = "x"\n')
    with pytest.raises(InputError, match="did you mean epochs"):
        load_recipe(str(path))
    path.write_text("summary = 3\n")
    with pytest.raises(InputError, match="summary must be a text"):
        load_recipe(str(path))


# What the released args.txt of each run says, as copied by others; the batch over all GPUs.
PUBLISHED = {
    "vits16": (1024, 800, 0.0005, 1e-5, 0.0, 1, 0.04, 0.07, 30, 10, (0.25, 1.0), (0.05, 0.25), True, 65536, "adamw"),
    "vits8": (1024, 800, 0.0005, 1e-6, 3.0, 1, 0.04, 0.07, 30, 10, (0.4, 1.0), (0.05, 0.4), True, 65536, "adamw"),
    "vitb16": (1024, 400, 0.00075, 2e-6, 0.3, 3, 0.04, 0.07, 50, 10, (0.25, 1.0), (0.05, 0.25), False, 65536, "adamw"),
    "vitb8": (1056, 300, 0.0005, 2e-6, 3.0, 3, 0.03, 0.07, 50, 10, (0.25, 1.0), (0.05, 0.25), False, 65536, "adamw"),
    "resnet50-800ep": (
        4080,
        800,
        0.3,
        0.0048,
        0.0,
        1,
        0.04,
        0.07,
        50,
        6,
        (0.14, 1.0),
        (0.05, 0.14),
        False,
        60000,
        "lars",
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_runs_have_the_values_of_their_arguments(name):
    one = load_recipe(name)
    assert PUBLISHED[name] == (
        one.batch_size, one.epochs, one.lr, one.min_lr, one.clip_grad, one.freeze_last_layer_epochs,
        one.warmup_teacher_temp, one.teacher_temp, one.warmup_teacher_temp_epochs, one.local_crops, one.global_scale,
        one.local_scale, one.learn_gain, one.out_dim, one.optimizer,
    )  # fmt: skip
    assert (one.momentum_teacher, one.warmup_epochs, one.precision) == (0.996, 10, "fp32")


def test_table_7_stands_on_the_run_of_table_2_at_300_epochs():
    base = load_recipe("table7-row1")
    assert (base.epochs, base.local_crops, base.clip_grad, base.min_lr) == (300, 10, 0.0, 1e-5)
    without_crops = load_recipe("table7-row4")
    assert (without_crops.local_crops, without_crops.global_scale) == (0, (0.14, 1.0))
    assert load_recipe("table7-row8").head_width == 256
    swav = load_recipe("table7-row9")
    assert (swav.local_crops, swav.teacher_temp, swav.warmup_teacher_temp_epochs) == (6, 0.05, 0)
    assert swav.sinkhorn_per_view and not swav.learn_gain


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"queue": 64}, {"objective": "infonce"}),
        ({"infonce_temperature": 0.1}, {"objective": "infonce"}),
        ({"sinkhorn_iterations": 5}, {"centering": "sinkhorn"}),
        ({"sinkhorn_per_view": True}, {"centering": "sinkhorn"}),
        ({"predictor_hidden": 64}, {"predictor": True}),
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


def test_who_trains_with_a_hot_teacher_is_warned_and_who_reads_the_recipe_is_not(capsys):
    hot = load_recipe("mini", {"teacher_temp": 0.1})
    assert capsys.readouterr().err == ""
    assert [("above 0.07" in line) for line in warnings_of(hot)] == [True]
    assert warnings_of(load_recipe("mini")) == []


def test_one_mean_serves_every_channel() -> None:
    recipe = load_recipe("mini+channels", {"in_channels": 5})
    assert (recipe.mean, recipe.std) == ((0.5,) * 5, (0.25,) * 5)
