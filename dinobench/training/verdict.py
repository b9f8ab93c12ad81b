"""The verdict on an epoch: whether the run is in trouble, from its means and its k-NN accuracy."""

from __future__ import annotations

from dinobench.training.diagnostics import Diagnosis, diagnose_collapse, diagnose_features, diagnose_use
from dinobench.training.loss import GLOBAL_VIEWS
from dinobench.training.recipe import Recipe
from dinobench.training.step_means import StepMeans


def judge_epoch(
    recipe: Recipe,
    epoch: int,
    means: StepMeans,
    *,
    micro_batch: int,
    accuracy: float | None,
    untrained: float | None,
) -> Diagnosis | None:
    """What is wrong after an epoch, if anything.

    Args:
        recipe: of the run.
        epoch: number of finished epochs.
        means: of the epoch.
        micro_batch: images that one process takes at once.
        accuracy: of the k-NN probe, in percent.
        untrained: the same before the first step.
    """
    warmup = max(recipe.warmup_epochs, recipe.warmup_teacher_temp_epochs)
    past_warmup = epoch > warmup
    found = None
    if recipe.objective == "cross_entropy":
        found = diagnose_collapse(means.entropy, means.kl, recipe.out_dim, past_warmup=past_warmup)
        if found is None and past_warmup:
            found = diagnose_use(means.used, micro_batch * GLOBAL_VIEWS, recipe.out_dim)
    settled = epoch > 2 * warmup  # features often dip below the untrained ones while the rate is at its peak
    if found is None and settled and accuracy is not None and untrained is not None:
        found = diagnose_features(accuracy, untrained)
    return found
