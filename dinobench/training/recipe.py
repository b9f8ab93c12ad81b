"""Recipes: every number of a training run, read from TOML, checked before anything starts."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.settings import override
from dinobench.runtime.suggest import unknown
from dinobench.training.recipe_checks import check, refuse_idle

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """One training run, apart from the data and the machine. The defaults are the paper's ViT-S/16 for 100 epochs.

    Attributes:
        name, summary: for people.
        data: Data SPEC to train on when none is given.
        architecture: a name that `models.build.build_backbone` knows.
        in_channels: 3 for RGB, 1 for luminance, else the channels of .npy arrays or multi-band images.
        drop_path: stochastic depth of the student's last block.
        out_dim, head_hidden, head_bottleneck, head_layers, head_batch_norm: of the head.
        learn_gain: train the gain of the head's last layer.
        predictor: a further MLP on the student's outputs.
        global_size, local_size: side of the views in pixels.
        local_crops: number of local views beside the two global ones; 0 for no multi-crop.
        global_scale, local_scale: range of a crop's area, as a share of the image.
        flip_probability, jitter_probability, brightness, contrast, saturation, hue, grayscale_probability: every view.
        blur_radius: range of the blur's radius in pixels.
        blur_probability: of the first global, the second global and the local views.
        solarize_probability: of the second global view.
        mean, std: of the normalization, per channel; one number serves all channels.
        objective: what compares student and teacher; the temperatures belong to cross_entropy.
        teacher: where the teacher's weights come from.
        centering: how the teacher's outputs are kept from one dimension; not of infonce, "ema" or "none" of mse.
        sharpening: a teacher temperature of its own; without it the student's.
        sinkhorn_iterations: of centering "sinkhorn".
        queue, infonce_temperature: negatives kept by objective "infonce", and its temperature.
        student_temp, teacher_temp, warmup_teacher_temp, warmup_teacher_temp_epochs: of the softmaxes.
        center_momentum, momentum_teacher: of the running means; the teacher's rises to 1 by a cosine.
        optimizer, base_lr, min_lr, warmup_epochs: the peak rate is base_lr * batch_size / 256.
        weight_decay, weight_decay_end: first and last value of a cosine.
        clip_grad: largest norm of one tensor's gradient; 0 for none.
        freeze_last_layer_epochs: epochs in which the head's last layer stays as it is.
        batch_size: images of one optimizer step, over all processes and micro-batches.
        accumulation: micro-batches per step and process.
        epochs, seed, precision: of the run.
        compile: the blocks of a vision transformer through torch.compile: for GPUs, a CPU gains nothing.
        streaming: read hf: data as a stream, without a copy on disk and without a probe.
        shuffle_buffer: images of a stream among which the next is drawn; its shards are shuffled too.
        epoch_images: images of an epoch of a stream; 0 for all, where it tells how many there are.
        workers: processes that draw views; -1 chooses by the machine.
        knn_every: epochs between k-NN probes of the teacher; 0 for none.
        knn_images: at most so many training images in the probe's bank, and half as many test images.
        log_every: steps between two lines of the log.
        save_minutes: a checkpoint at the first line of the log after so long; one ends every epoch too.
        keep_every: keep checkpointNNNN.pth every so many epochs; 0 keeps the last and the best alone.
        on_collapse: stop, or go on beside a kept last good checkpoint.
        reschedule: let a resumed run change its length and other settings.
        sources: where a figure comes from, by field.
    """

    name: str = "vits16-100ep"
    summary: str = ""
    data: str = ""
    architecture: str = "vit_small/16"
    in_channels: int = 3
    drop_path: float = 0.1
    out_dim: int = 65536
    head_hidden: int = 2048
    head_bottleneck: int = 256
    head_layers: int = 3
    head_batch_norm: bool = False
    learn_gain: bool = False
    predictor: bool = False
    global_size: int = 224
    local_size: int = 96
    local_crops: int = 8
    global_scale: list[float] = field(default_factory=lambda: [0.4, 1.0])
    local_scale: list[float] = field(default_factory=lambda: [0.05, 0.4])
    flip_probability: float = 0.5
    jitter_probability: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grayscale_probability: float = 0.2
    blur_radius: list[float] = field(default_factory=lambda: [0.1, 2.0])
    blur_probability: list[float] = field(default_factory=lambda: [1.0, 0.1, 0.5])
    solarize_probability: float = 0.2
    mean: list[float] = field(default_factory=lambda: [0.485, 0.456, 0.406])
    std: list[float] = field(default_factory=lambda: [0.229, 0.224, 0.225])
    objective: str = "cross_entropy"
    teacher: str = "momentum"
    centering: str = "ema"
    sharpening: bool = True
    sinkhorn_iterations: int = 3
    queue: int = 65536
    infonce_temperature: float = 0.2
    student_temp: float = 0.1
    teacher_temp: float = 0.04
    warmup_teacher_temp: float = 0.04
    warmup_teacher_temp_epochs: int = 0
    center_momentum: float = 0.9
    momentum_teacher: float = 0.996
    optimizer: str = "adamw"
    base_lr: float = 0.0005
    min_lr: float = 1e-6
    warmup_epochs: int = 10
    weight_decay: float = 0.04
    weight_decay_end: float = 0.4
    clip_grad: float = 3.0
    freeze_last_layer_epochs: int = 1
    batch_size: int = 512
    accumulation: int = 1
    epochs: int = 100
    seed: int = 0
    precision: str = "fp32"
    compile: bool = False
    streaming: bool = False
    shuffle_buffer: int = 10000
    epoch_images: int = 0
    workers: int = -1
    knn_every: int = 1
    knn_images: int = 4000
    log_every: int = 10
    save_minutes: float = 10.0
    keep_every: int = 0
    on_collapse: str = "stop"
    reschedule: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def views(self) -> int:
        """Views of one image."""
        return 2 + self.local_crops

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint and a record keep them."""
        return {**dataclasses.asdict(self), "sources": dict(self.sources)}

    def settings(self) -> dict[str, Any]:
        """What --set may change: all but the words for people."""
        return {key: value for key, value in self.as_dict().items() if key not in ("name", "summary", "sources")}


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe called `name`, or in the TOML file of that path, with `changes` on top; checked.

    A recipe may name another as its `base` and then says only what differs. "mini+table7-row2" puts what the second
    recipe itself says on top of the first.

    Raises:
        InputError: no such recipe, an unknown field, a value of the wrong type or out of its range, a contradiction, or
            a change without effect.
    """
    first, *further = name.split("+")
    recipe = _read(first, ())
    for layer in further:
        path, own = _parse(layer)
        own.pop("base", None)
        recipe = _on_top(recipe, own, path, name=f"{recipe.name}+{path.stem}")
    settings = override(recipe.settings(), changes or {}, f"recipe {recipe.name}")
    changed = _per_channel(dataclasses.replace(recipe, **settings))
    check(changed)
    refuse_idle(recipe, changed)
    return changed


def _per_channel(recipe: Recipe) -> Recipe:
    """One mean or deviation written out for every channel."""
    given = {name: getattr(recipe, name) for name in ("mean", "std")}
    return dataclasses.replace(
        recipe, **{name: value * recipe.in_channels for name, value in given.items() if len(value) == 1}
    )


def _read(name: str, above: tuple[str, ...]) -> Recipe:
    path, own = _parse(name)
    if name in above:
        raise InputError(f"recipe {path} is its own base: {' -> '.join([*above, name])}; remove one `base`")
    base = _read(str(own.pop("base")), (*above, name)) if "base" in own else Recipe()
    return _on_top(base, own, path, name=path.stem)


def _parse(name: str) -> tuple[Path, dict[str, Any]]:
    path = _find(name)
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"recipe {path} is not valid TOML: {error}") from error


def _on_top(base: Recipe, own: dict[str, Any], path: Path, name: str) -> Recipe:
    """`base` with a file's own fields."""
    sources = {**base.sources, **own.pop("sources", {})}
    summary = own.pop("summary", base.summary)
    settings = override(base.settings(), own, f"recipe {path}")
    return dataclasses.replace(base, **settings, name=name, summary=summary, sources=sources)


def _find(name: str) -> Path:
    if (FOLDER / f"{name}.toml").is_file():
        return FOLDER / f"{name}.toml"
    path = user_path(name)
    if path.suffix != ".toml":
        raise unknown("recipe", name, recipe_names())
    if not path.is_file():
        raise InputError(f"no recipe file {path}; give a TOML file or one of {', '.join(recipe_names())}")
    return path
