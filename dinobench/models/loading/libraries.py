"""Models that are no checkpoint file of the user's: libraries' names, random networks, raw pixels."""

from __future__ import annotations

import contextlib
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch

from dinobench.models.loading.checkpoint_file import from_file
from dinobench.models.loading.choices import Choice
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.preprocessing import choose_preprocessing
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.models.networks.build import build_backbone
from dinobench.models.networks.convnet import ConvNet
from dinobench.models.networks.network_names import canonical_architecture, native_size, suggestion
from dinobench.models.networks.pixels import PixelBackbone
from dinobench.models.networks.timm_adapter import adapt_timm, create_timm, timm_preprocessing
from dinobench.runtime.errors import InputError
from dinobench.runtime.hub import hub_or_cache

T = TypeVar("T")
UNTRAINED = ", or take random weights with --set pretrained=false"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def _load_timm(name: str, settings: ModelSettings) -> LoadedBackbone:
    """`timm:NAME`, with its published weights unless `pretrained=false`."""
    import timm  # here: with torchvision it takes seconds, which most models need not wait for

    if not timm.is_model(name):
        raise InputError(f"timm has no model {name!r}; {suggestion(name, ['timm'])}")
    torch.manual_seed(settings.init_seed)
    network = _run_download(
        f"timm:{name}",
        lambda: create_timm(name, pretrained=settings.pretrained, image_size=settings.image_size),
        UNTRAINED,
        remote=settings.pretrained,
    )
    chosen = choose_preprocessing(timm_preprocessing(network), "from timm's config", settings)
    return _as_loaded(f"timm:{name}", adapt_timm(network), name, chosen, _weights_origin("timm", settings))


def _load_torchvision(name: str, settings: ModelSettings) -> LoadedBackbone:
    """`torchvision:NAME`, with its default weights unless `pretrained=false`."""
    import torchvision

    if name not in torchvision.models.list_models(module=torchvision.models):
        raise InputError(f"torchvision has no classification model {name!r}; {suggestion(name, ['torchvision'])}")
    torch.manual_seed(settings.init_seed)
    weights = torchvision.models.get_model_weights(name).DEFAULT if settings.pretrained else None
    network = _run_download(
        f"torchvision:{name}",
        lambda: torchvision.models.get_model(name, weights=weights),
        UNTRAINED,
        remote=settings.pretrained,
    )
    base, source = Preprocessing(), "by convention of ImageNet"
    if weights is not None:
        recipe = weights.transforms()
        source = f"from torchvision's {weights.name}"
        base = Preprocessing(
            mean=tuple(recipe.mean),
            std=tuple(recipe.std),
            size=recipe.crop_size[0],
            resize=recipe.resize_size[0],
            interpolation=recipe.interpolation.value,
        )
    chosen = choose_preprocessing(base, source, settings)
    backbone = ConvNet(network, image_size=chosen[0].size)
    return _as_loaded(f"torchvision:{name}", backbone, name, chosen, _weights_origin("torchvision", settings))


def _load_hub(name: str, settings: ModelSettings) -> LoadedBackbone:
    """`hf:OWNER/NAME`: the hub's weight file, then as any other file."""
    return from_file(f"hf:{name}", _run_download(f"hf:{name}", lambda: _hub_file(name)), settings)


def _hub_file(name: str) -> Path:
    from huggingface_hub import hf_hub_download  # here: most models need no hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for file in HUB_FILES:
        try:
            path = Path(hf_hub_download(name, file))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            continue
        _hub_configuration(name)
        return path
    raise InputError(f"hf:{name} holds neither {' nor '.join(HUB_FILES)}; download its weights and give the file")


def _hub_configuration(name: str) -> None:
    """Bring the configurations beside the weights, where `from_file` looks for heads, epsilon, mean and deviation."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for file in ("config.json", "preprocessor_config.json"):
        with contextlib.suppress(EntryNotFoundError):
            hf_hub_download(name, file)


def _load_random(name: str, settings: ModelSettings) -> LoadedBackbone:
    """`random:ARCH`: fresh weights of seed `init_seed`."""
    size = settings.image_size or native_size(name)
    torch.manual_seed(settings.init_seed)
    backbone = build_backbone(name, image_size=size)
    architecture = canonical_architecture(name)
    source = f"random, seed {settings.init_seed}"
    return _as_loaded(f"random:{name}", backbone, architecture, _imagenet_input(settings, size), source)


def _load_pixels(name: str, settings: ModelSettings) -> LoadedBackbone:
    """`pixels`: the image itself, at 32 px unless `image_size` says otherwise."""
    side = settings.image_size or 32
    return _as_loaded("pixels", PixelBackbone(side), f"pixels/{side}", _imagenet_input(settings, side), "no weights")


SOURCES: Mapping[str, Callable[[str, ModelSettings], LoadedBackbone]] = {
    "timm": _load_timm,
    "torchvision": _load_torchvision,
    "hf": _load_hub,
    "random": _load_random,
    "pixels": _load_pixels,
}


def _imagenet_input(settings: ModelSettings, size: int) -> tuple[Preprocessing, tuple[Choice, ...]]:
    """ImageNet's preprocessing, for what has no weights of its own."""
    return choose_preprocessing(Preprocessing(), "by convention of ImageNet", settings, size=size)


def _as_loaded(
    spec: str, backbone: Backbone, architecture: str, chosen: tuple[Preprocessing, tuple[Choice, ...]], source: str
) -> LoadedBackbone:
    return LoadedBackbone(
        backbone=backbone.eval(),
        name=re.sub(r"[^\w.+-]+", "_", spec),
        spec=spec,
        family=spec.split(":")[0],
        architecture=architecture,
        preprocessing=chosen[0],
        source=source,
        choices=chosen[1],
    )


def _weights_origin(library: str, settings: ModelSettings) -> str:
    return f"{library}'s published weights" if settings.pretrained else f"random, seed {settings.init_seed}"


def _run_download(spec: str, get: Callable[[], T], instead: str = "", *, remote: bool = True) -> T:
    """Run a download that the user asked for; whatever goes wrong on the way ends in one line."""
    try:
        with hub_or_cache(remote):
            return get()
    except InputError:
        raise
    except Exception as error:
        reason = textwrap.shorten((str(error).splitlines() or [""])[0], 160, placeholder=" ...")
        raise InputError(
            f"cannot get the weights of {spec} ({type(error).__name__}: {reason}); check the network{instead}"
        ) from error
