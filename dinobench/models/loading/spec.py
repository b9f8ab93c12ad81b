"""From a model SPEC to a backbone that is ready to be scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dinobench.models.loading.checkpoint_file import checkpoint_path, from_file, training_data
from dinobench.models.loading.libraries import SOURCES
from dinobench.models.loading.loaded import MODEL_SETTINGS, LoadedBackbone
from dinobench.runtime.errors import InputError

__all__ = ["MODEL_SETTINGS", "LoadedBackbone", "load_backbone", "training_data"]

_FILE = set(MODEL_SETTINGS) - {"pretrained", "init_seed"}
# What acts on which kind of model, by the SPEC's scheme; on files everything that says how to read them.
_ACTING = {
    "pixels": {"image_size", "pretrained"},
    "random": {"image_size", "init_seed", "pretrained"},
    "timm": {"image_size", "init_seed", "pretrained"},
    "torchvision": {"image_size", "init_seed", "pretrained"},
    "hf": _FILE - {"which"},
}


def load_backbone(spec: str, *, settings: Mapping[str, Any] = MODEL_SETTINGS) -> LoadedBackbone:
    """Load what a model SPEC names.

    Args:
        spec: a checkpoint file, a run directory, `timm:NAME`, `torchvision:NAME`, `hf:NAME`, `random:ARCH` or
            `pixels`.
        settings: changes to `MODEL_SETTINGS`; other keys are ignored.

    Raises:
        InputError: nothing there, no known family, a tensor of the backbone is missing or does not fit, or a setting
            that could not act on such a model.
    """
    chosen = {**MODEL_SETTINGS, **{key: value for key, value in settings.items() if key in MODEL_SETTINGS}}
    scheme, _, name = spec.partition(":")
    _refuse_idle(scheme, spec, chosen)
    if is_path(spec):
        return from_file(spec, checkpoint_path(spec, str(chosen["which"])), chosen)
    return SOURCES[scheme](name, chosen)


def is_path(spec: str) -> bool:
    """Whether a model SPEC is the path of a file or run directory, and not a library's name or a baseline."""
    scheme, _, name = spec.partition(":")
    return not (scheme in SOURCES and (name or spec == "pixels"))


def _refuse_idle(scheme: str, spec: str, chosen: Mapping[str, Any]) -> None:
    """Refuse a setting that would be taken and do nothing."""
    acting = _ACTING.get(scheme, _FILE - {"which"} if Path(spec).is_file() else _FILE)
    for key, value in chosen.items():
        if value != MODEL_SETTINGS[key] and key not in acting:
            raise InputError(
                f"{key} = {value!r} does nothing to {spec}; leave it out (what acts: {', '.join(sorted(acting))})"
            )
