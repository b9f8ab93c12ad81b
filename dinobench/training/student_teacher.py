"""The two networks: a student that learns and a teacher that follows it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dinobench.models.networks.backbone import Backbone
from dinobench.runtime.errors import InputError
from dinobench.training.head import DinoHead
from dinobench.training.low_rank import adapted_weights
from dinobench.training.optimizers import layer_of


class HeadedNetwork(nn.Module):
    """Backbone and head under the names of released checkpoints, with an optional predictor on the projection.

    Args:
        backbone: gives the class token.
        head: (B, D) -> (B, K).
        predictor: from projection to projection, of a student only.
    """

    def __init__(self, backbone: Backbone, head: DinoHead, predictor: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.predictor = predictor

    def forward(self, groups: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (V * B, K) and class tokens (V * B, D) of all views: a backbone pass for each size, one of the head.

        Args:
            groups: views of one size each, (views * B, C, H, W), view by view; the global views come first.
        """
        tokens = torch.cat([self.backbone.class_token(images) for images in groups])
        return self.head(tokens, self.predictor), tokens


def teacher_of(student: HeadedNetwork, backbone: Backbone) -> HeadedNetwork:
    """A teacher equal to the student that asks for no gradients and has no predictor.

    Args:
        student: the network to copy.
        backbone: one of the same architecture, built without stochastic depth.
    """
    backbone.load_state_dict(student.backbone.state_dict())
    return HeadedNetwork(backbone, copy.deepcopy(student.head)).requires_grad_(False)


def freeze_blocks(network: HeadedNetwork, count: int) -> None:
    """Ask for no gradients of the backbone's first `count` blocks and of the stem before them.

    Raises:
        InputError: the backbone has no block above them.
    """
    layers = {name: layer_of(name) for name, _ in network.named_parameters()} if count else {}
    highest = max((layer for layer in layers.values() if layer is not None), default=0)
    if count and count >= highest:
        raise InputError(
            f"frozen_blocks = {count} leaves no block of the backbone to train, which has {highest}; lower it"
        )
    for name, parameter in network.named_parameters():
        layer = layers.get(name)
        if layer is not None and layer <= count:
            parameter.requires_grad_(False)


def freeze_unused(network: HeadedNetwork, images: Tensor) -> None:
    """Ask for no gradients of parameters that the output does not depend on: processes would wait for them for ever.

    Args:
        network: on the CPU.
        images: (B, C, H, W) that it takes.
    """
    training = network.training
    network.eval()  # draws nothing and leaves batch-norm statistics alone
    network([images])[0].sum().backward()
    for parameter in network.parameters():
        parameter.requires_grad_(parameter.requires_grad and parameter.grad is not None)
        parameter.grad = None
    network.train(training)


@torch.no_grad()
def follow_student(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Teacher <- momentum * teacher + (1 - momentum) * student, over the parameters of the teacher."""
    leaders = {**dict(student.named_parameters()), **adapted_weights(student)}
    pairs = [(parameter, leaders[name].detach()) for name, parameter in teacher.named_parameters()]
    followers, followed = (list(side) for side in zip(*pairs, strict=True))
    torch._foreach_lerp_(followers, followed, 1.0 - momentum)
