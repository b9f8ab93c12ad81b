"""What fine-tuning costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, Loading, NetworkShape, Stage, Work
from dinobench.evaluators.finetune.settings import Settings

MEASURED = ("drop_path", "optimizer", "mixup", "cutmix", "ema_decay", "channels_last", "auto_augment", "crop_scale")


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Training images there and back in each epoch, then the test images."""
    side = settings.image_size or network.side
    train, test = data.count("train"), data.count("val")
    at_once = min(batch, settings.batch_size)
    step = min(settings.batch_size, max(train, 1))
    options = {name: getattr(settings, name) for name in MEASURED}
    training = Work("finetune", side, side, at_once, {**options, "step": step, "classes": data.classes or 2})
    scoring = Work("forward", side, side, batch, {"tokens": "cls"})
    epochs = settings.epochs
    return Cost(
        (
            Stage(train // step * step * epochs, training, Loading("finetune", side, side)),
            Stage(test, scoring, Loading("evaluation", side, side)),  # of the first epoch; then the crops are kept
            Stage(test * (epochs - 1), scoring),
        ),
        held=min(test * 3 * side**2, 2**30),
    )
