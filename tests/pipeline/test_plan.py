from __future__ import annotations

import pytest
from torch import nn

from dinobench.pipeline.plan import job_of_network, make_plan
from dinobench.runtime.errors import InputError

BATCH_NORM = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def _job(task: str, **settings: object):
    (job,) = make_plan(task, "pixels", "mini", settings=settings).jobs
    return job


def test_options_never_count_as_deviations() -> None:
    assert not _job("davis", sweep_topk=[3, 5], pictures=False).deviations
    assert not _job("roxford@dino", ks=[1], search="faiss").deviations
    assert not _job("knn", workers=3, batch_size=7, unreadable="skip", lists="x", predictions=True).deviations


def test_what_moves_the_figure_departs_from_the_protocol() -> None:
    job = _job("copydays", blocks=["strong"], top=0)
    assert set(job.overridden) == {"blocks", "top"} == set(job.deviations)
    assert _job("knn", ks=5, main_k=5).deviations == {"ks": [5], "main_k": 5}


def test_where_data_lie_is_noted_but_departs_from_nothing() -> None:
    job = _job("copydays", distractors="/data/yfcc")
    assert job.deviations == {"distractors": "/data/yfcc"}
    assert not job.overridden


def test_a_word_of_the_task_is_not_the_runs_or_the_models() -> None:
    plan = make_plan("finetune-cifar10@quick", "pixels", "mini", settings={"batch_size": 32, "image_size": 64})
    assert (plan.run.batch_size, plan.model_settings.image_size) == (64, 64)  # the network is built for its images
    (job,) = plan.jobs
    assert (job.settings.batch_size, job.settings.image_size, job.forward_batch) == (32, 64, 64)
    assert make_plan("davis", "pixels", "mini", settings={"image_size": 64}).model_settings.image_size == 0
    mixed = make_plan("knn,davis", "pixels", "mini", settings={"image_size": 64})
    assert mixed.model_settings.image_size == mixed.jobs[1].settings.image_size == 64


def test_batch_norm_makes_more_settings_count() -> None:
    job = _job("finetune-cifar10@quick", forward_batch=16)
    assert not job.deviations
    assert job_of_network(job, BATCH_NORM).deviations == {"forward_batch": 16}
    assert job_of_network(job, BATCH_NORM).overridden == ("forward_batch",)
    assert job_of_network(job, nn.Linear(2, 2)) == job


@pytest.mark.parametrize(
    ("task", "old", "new"),
    [
        ("davis", "short_side", "image_size"),
        ("davis", "layer", "feature"),
        ("linear", "rates", "lrs"),
        ("linear", "batch", "batch_size"),
        ("finetune-cars", "train_batch_size", "batch_size"),
        ("voc-attention", "size", "image_size"),
    ],
)
def test_a_former_word_is_answered_with_the_present_one(task: str, old: str, new: str) -> None:
    with pytest.raises(InputError, match=f"setting '{old}' is now called {new}"):
        _job(task, **{old: 1})
