"""What several processes that train one network share: gradients, and the statistics of batch norm."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dinobench.evaluators.finetune.classifier import Classifier
from dinobench.runtime.device import kind_of
from dinobench.runtime.processes import copy_from_first, sum_over_processes, world_size


def has_batch_norm(model: nn.Module) -> bool:
    """Whether an image's scores depend, in training, on the images beside it."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def is_synchronized(model: nn.Module) -> bool:
    """Whether every batch norm takes the images of all processes."""
    return all(isinstance(module, nn.SyncBatchNorm) for module in model.modules() if isinstance(module, _BatchNorm))


def synchronized(model: Classifier) -> Classifier:
    """The model with batch norm over all processes, on devices for which torch has that."""
    device = next(model.parameters()).device
    if world_size() == 1 or not kind_of(device).synchronizes_norms or not has_batch_norm(model):
        return model
    converted: Classifier = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return converted


def average_gradients(model: nn.Module) -> None:
    """Replace each gradient by its mean over the processes; a parameter without one in this process counts as 0."""
    if world_size() == 1:
        return
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    together = sum_over_processes(torch.cat([gradient.flatten() for gradient in gradients])) / world_size()
    sizes = [each.numel() for each in parameters]
    for parameter, part in zip(parameters, torch.split(together, sizes), strict=True):
        parameter.grad = part.view_as(parameter)


def share_buffers(*models: nn.Module) -> None:
    """Give all processes the first one's running statistics, so that all score one network."""
    for model in models:
        for buffer in model.buffers():
            copy_from_first(buffer)
