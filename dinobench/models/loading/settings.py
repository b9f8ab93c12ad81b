"""What a user may set about a model; an empty text or 0 means that the checkpoint decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.models.loading.model_paths import is_path
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.settings import CountOrZero, NotNegative, PixelsOrZero, Positive, fields_of, setting

FILES = ("file", "run", "hf")
LIBRARIES = ("timm", "torchvision", "random")
LOADED = (*FILES, *LIBRARIES, "pixels")
SeedOfWeights = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """How a model is read or drawn. `acts_on` names the kinds of model that a field acts on."""

    weights: str = setting(
        "", "which network of a file: teacher, student, ema, or the beginning of its tensors' names", acts_on=FILES
    )
    which: Literal["last", "best"] = setting(
        "last", "which checkpoint of a run directory", departs=False, acts_on=("run",)
    )
    family: str = setting("", "the checkpoint family, where it is not found by the keys", departs=False, acts_on=FILES)
    family_file: str = setting("", "Python file that describes a family", departs=False, acts_on=FILES)
    architecture: str = setting("", "timm's name of the network", departs=False, acts_on=FILES)
    pretrained: bool = setting(
        True, "false draws a library's network at random", departs=False, acts_on=(*LIBRARIES, "pixels")
    )
    init_seed: SeedOfWeights = setting(0, "of weights drawn at random", departs=False, acts_on=LIBRARIES)
    image_size: PixelsOrZero = setting(
        0, "side of the network's square input", unit="pixels", acts_on=(*FILES, *LIBRARIES, "pixels")
    )
    heads: CountOrZero = setting(0, "attention heads, where the file does not say", departs=False, acts_on=FILES)
    depth: CountOrZero = setting(0, "blocks to use", acts_on=FILES)
    resize: Literal["", "released", "size", "timm"] = setting(
        "", "how the position table is resized to another input size", acts_on=FILES
    )
    norm_eps: NotNegative = setting(0.0, "epsilon of the LayerNorms", acts_on=FILES)
    pooling: Literal["", "cls", "mean"] = setting(
        "", "the feature of a vision transformer: its class token or the mean of its patches", later=True, acts_on=FILES
    )
    padding: Literal["", "torch", "same-pool", "same"] = setting(
        "", "of a ResNet: torch's, or TensorFlow's SAME in the stem's pooling or everywhere", later=True, acts_on=FILES
    )
    leave_out: str = setting(
        "",
        "tensors to leave out, by the beginnings of their names, with commas between",
        later=True,
        acts_on=FILES,
    )
    mean: tuple[float, ...] = setting((), "of the pixels in [0, 1], per channel", later=True, acts_on=LOADED)
    std: tuple[Positive, ...] = setting((), "of the pixels in [0, 1], per channel", later=True, acts_on=LOADED)
    interpolation: Literal["", "bicubic", "bilinear"] = setting(
        "", "how images are resized", later=True, acts_on=LOADED
    )
    resize_size: PixelsOrZero = setting(
        0, "shorter side before the center crop", unit="pixels", later=True, acts_on=LOADED
    )


def refuse_idle(spec: str, chosen: ModelSettings) -> None:
    """Refuse a setting that would be taken and do nothing.

    Raises:
        InputError: it names the setting, and those that act on such a model.
    """
    fields, kind = fields_of(ModelSettings), _spec_kind(spec)
    acting = [name for name, field in fields.items() if kind in field.about.acts_on]
    for name, field in fields.items():
        value = getattr(chosen, name)
        if value != field.default and name not in acting:
            raise InputError(
                f"{name} = {value!r} does nothing to {spec}; leave it out (what acts: {', '.join(sorted(acting))})"
            )


def _spec_kind(spec: str) -> str:
    """Which kind of model a SPEC names, in the words of `About.acts_on`."""
    if is_path(spec):
        return "file" if user_path(spec).is_file() else "run"
    return spec.partition(":")[0]
