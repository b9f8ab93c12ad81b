"""The ResNets of 6n + 2 layers for CIFAR: three stages, 32 px images, no normalization of their own."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family
from dinobench.models.networks.backbone import Preprocessing

FAMILY = Family(
    name="cifar_resnet",
    title="a CIFAR ResNet",
    layouts=(resnet.CIFAR_LAYOUT,),
    order=95,
    preprocessing=Preprocessing(size=32, resize=32),
)
