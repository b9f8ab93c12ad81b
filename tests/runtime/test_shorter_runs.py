from __future__ import annotations

import pytest
from click.testing import CliRunner

from dinobench.cards import load_tasks
from dinobench.cli.main import main
from dinobench.pipeline.plan import make_plan
from dinobench.runtime.errors import InputError
from dinobench.training.recipe_files import load_recipe


def test_fewer_epochs_shorten_the_warm_up_and_say_so() -> None:
    usual, short = load_recipe("vits16"), load_recipe("vits16", {"epochs": 5})
    assert short.warmup_epochs == usual.warmup_epochs * 5 // usual.epochs < usual.warmup_epochs
    assert load_recipe("vits16", {"epochs": 100}).warmup_epochs == usual.warmup_epochs
    with pytest.raises(InputError, match="longer than the run"):
        load_recipe("vits16", {"epochs": 5, "warmup_epochs": 6})
    said = CliRunner().invoke(main, ["train", "--recipe", "mini", "--set", "epochs=1", "--data", "absent/folder"])
    assert "so warmup_epochs = 0 (of 2)" in said.output


def test_fine_tuning_of_one_epoch_needs_one_setting() -> None:
    usual = load_tasks()["finetune-cifar10"].protocol("quick").settings
    (job,) = make_plan("finetune-cifar10", "pixels", "mini", "quick", {"epochs": 1}).jobs
    assert job.settings.warmup_epochs == 0 < usual.warmup_epochs
    assert set(job.overridden) == {"epochs", "warmup_epochs"}
