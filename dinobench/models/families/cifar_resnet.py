"""The ResNets of 6n + 2 layers for CIFAR: three stages, 32 px images, no normalisation of their own."""

from __future__ import annotations

from dinobench.models.backbone import Preprocessing
from dinobench.models.family import Family
from dinobench.models.layouts import resnet

FAMILY = Family(
    name="cifar_resnet",
    title="a CIFAR ResNet",
    layouts=(resnet.CIFAR_LAYOUT,),
    order=95,
    preprocessing=Preprocessing(size=32, resize=32),
)
