"""A module of the user's own program as a loaded backbone."""

from __future__ import annotations

import copy
import hashlib
import re

import torch
from torch import nn

from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.preprocessing import choose_preprocessing
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.networks.any_module import AnyModule
from dinobench.models.networks.backbone import Backbone, Features, Preprocessing, input_channels
from dinobench.models.networks.convnet import ConvNet
from dinobench.models.networks.timm_adapter import adapt_timm, timm_preprocessing
from dinobench.pipeline.read_transform import Transform, preprocessing_of
from dinobench.runtime.errors import InputError

GIVEN = "a module given in Python"
_DECIMALS = 3  # of the answer that tells modules with the same tensors apart; coarser than the noise of threads


def from_module(
    module: nn.Module, transform: Transform | Preprocessing | None = None, name: str = ""
) -> LoadedBackbone:
    """A module as a backbone: a copy of it, in eval mode, on the CPU, in float32.

    Args:
        module: a `Backbone`; a network of timm or torchvision, whose classifier is left out; or any module whose
            answer is one of `dinobench.models.networks.any_module`.
        transform: from a Pillow image to the module's input: a torchvision Compose of Resize, CenterCrop, conversion
            and Normalize, or a `Preprocessing`. A network of timm brings its own.
        name: in tables and records; by default the module's class.

    Raises:
        InputError: no transform where none is known, one that cannot be read, or a module of another kind.
    """
    library = type(module).__module__.partition(".")[0]
    preprocessing, source = _preprocessing(module, transform, library)
    chosen = choose_preprocessing(preprocessing, source, ModelSettings(), channels=input_channels(module))
    backbone = _as_backbone(_copied(module), library, preprocessing).eval()
    kind = type(module).__name__
    return LoadedBackbone(
        backbone=backbone,
        name=re.sub(r"[^\w.+-]+", "_", name or kind),
        spec=GIVEN,
        family="module",
        architecture=kind.lower(),
        preprocessing=chosen[0],
        source=f"{type(module).__module__}.{kind}",
        choices=chosen[1],
        identity_facts={"answer": _answer_digest(backbone, chosen[0])},
    )


def _preprocessing(
    module: nn.Module, transform: Transform | Preprocessing | None, library: str
) -> tuple[Preprocessing, str]:
    if isinstance(transform, Preprocessing):
        return transform, "set by you"
    if transform is not None:
        return preprocessing_of(transform), "read from your transform"
    if library == "timm":
        return timm_preprocessing(module), "from timm's config"
    raise InputError(
        f"{type(module).__name__} comes without a transform; give transform=, a torchvision Compose of Resize, "
        "CenterCrop, ToTensor and Normalize, or dinobench.Preprocessing(mean=..., std=...)"
    )


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module).cpu().float().eval()
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{type(module).__name__} cannot be copied ({error}); give a module that can") from error


def _as_backbone(module: nn.Module, library: str, preprocessing: Preprocessing) -> Backbone:
    if isinstance(module, Backbone):
        return module
    if library == "timm":
        return adapt_timm(module)
    if library == "torchvision":
        return ConvNet(module, image_size=preprocessing.size)
    return AnyModule(module, preprocessing.size, input_channels(module))


@torch.inference_mode()
def _answer_digest(backbone: Backbone, preprocessing: Preprocessing) -> str:
    """What the module makes of one fixed image: two programs may hold the same tensors."""
    side, channels = preprocessing.size, len(preprocessing.mean)
    image = torch.linspace(-1, 1, channels * side * side).view(1, channels, side, side)
    answer: Features = backbone(image)
    rounded = [(part * 10**_DECIMALS).round().to(torch.int64).numpy() for part in (answer.cls, answer.patches)]
    return hashlib.sha256(b"".join(part.tobytes() for part in rounded)).hexdigest()[:16]
