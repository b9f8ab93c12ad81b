"""The work on training images, done on drawn ones, so that it can be timed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.costs import Loading, Work
from dinobench.evaluators.finetune.classifier import build_classifier
from dinobench.evaluators.finetune.evaluate import sized_preprocessing, train_augmentation
from dinobench.evaluators.finetune.optimization import build_optimizer
from dinobench.evaluators.finetune.settings import Settings
from dinobench.runtime.precision import autocast


def measured_work(context: EvaluationContext[Settings], work: Work) -> Callable[[int], None]:
    """A function that takes gradients of so many images, and that share of an optimizer's step."""
    recipe, classes = context.settings, int(work.options["classes"])
    model = build_classifier(copy.deepcopy(context.model.backbone), classes, recipe).to(context.device).train()
    optimizer = build_optimizer(model, recipe)
    channels = len(context.model.preprocessing.mean)
    due = 0.0

    def run(images: int) -> None:
        nonlocal due
        pixels = torch.randn(images, channels, work.height, work.width, device=context.device)
        targets = torch.full((images, classes), 1 / classes, device=context.device)
        with autocast(context.device, context.precision):
            loss = F.cross_entropy(model(pixels).float(), targets)
        torch.autograd.backward(loss)
        due += images / work.options["step"]
        if due >= 1 or not optimizer.state:  # the first step makes the optimizer's state
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            due = max(0.0, due - 1)

    return run


def measured_loading(
    context: EvaluationContext[Settings], loading: Loading
) -> Callable[[int, Image.Image], np.ndarray]:
    """From an image to its pixels as training sees them."""
    preprocessing = sized_preprocessing(context.model.preprocessing, context.settings.image_size)
    augment = train_augmentation(context.settings, preprocessing)
    return lambda index, image: augment(image, random.Random(index))
