"""A recipe: every number of a training run, apart from the data and the machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from dinobench.runtime.settings import (
    Count,
    CountOrZero,
    NotNegative,
    Pixels,
    PixelsOrZero,
    Positive,
    Probability,
    Share,
    plain,
    setting,
)
from dinobench.runtime.trackers import TrackerKind

Seed = Annotated[int, Meta(ge=0, lt=2**24)]
"""torch takes seeds of 64 bits, of which a run's steps fill 40."""


@dataclass(frozen=True)
class RecipeSettings:
    """What `--set` may change. The defaults are the paper's ViT-S/16 for 100 epochs."""

    data: str = setting("", "Data SPEC to train on when none is given", moves_figure=False)
    init: str = setting("", 'Model SPEC whose weights student and teacher begin with; "" draws them')
    init_all: bool = setting(False, "take head, optimizer and center of the checkpoint of init too, or refuse")
    head_epochs: CountOrZero = setting(0, "epochs at the start, at most, in which the head alone learns")
    head_lr: NotNegative = setting(0.0005, "learning rate for 256 images of these epochs")
    head_settled: NotNegative = setting(
        0.0, "these epochs end once KL(teacher, student) changes by less than this share from one to the next"
    )
    layer_decay: Annotated[float, Meta(gt=0, le=1)] = setting(
        1.0, "learning rate of a block of the backbone, as a share of that of the block above"
    )
    frozen_blocks: CountOrZero = setting(
        0, "first blocks of the backbone whose weights stay as they are, with the stem before them", later=True
    )
    adapter_rank: CountOrZero = setting(
        0, "of adapters on the attention's weights, which learn in place of the backbone; 0 for none", later=True
    )
    anchor: NotNegative = setting(
        0.0, "weight of a loss that holds the features of global views to the start's: 1 - cosine", later=True
    )
    guard: Literal["off", "auto", "labels", "views"] = setting(
        "off",
        "take the run back where k-NN of labels or of views of an image falls below the start's",
    )
    architecture: str = setting("vit_small/16", "of the backbone, such as vit_base/8, resnet50 or a name of timm")
    in_channels: Count = setting(3, "3 for RGB, 1 for luminance, else the channels of .npy arrays or multi-band images")
    drop_path: Share = setting(0.1, "stochastic depth of the student's last block")
    out_dim: Count = setting(65536, "outputs K of the head")
    head_hidden: Count = setting(2048, "width of the head's hidden layers")
    head_bottleneck: Count = setting(256, "width of the head's projection")
    head_layers: Count = setting(3, "linear layers up to the projection")
    head_batch_norm: bool = setting(False, "batch normalization after each hidden layer")
    head_outputs: bool = setting(True, "a last layer of K outputs; without it the objective compares projections")
    learn_gain: bool = setting(False, "train the gain of the head's last layer (norm_last_layer false)")
    predictor: bool = setting(False, "a further MLP on the student's projection")
    predictor_hidden: Count = setting(4096, "width of the predictor's hidden layer")
    global_size: Pixels = setting(224, "side of the global views", unit="pixels")
    local_size: PixelsOrZero = setting(96, "side of the local views", unit="pixels")
    local_crops: CountOrZero = setting(8, "local views beside the two global ones; 0 for no multi-crop")
    global_scale: tuple[float, ...] = setting((0.4, 1.0), "range of a global view's area, as a share of the image")
    local_scale: tuple[float, ...] = setting((0.05, 0.4), "range of a local view's area, as a share of the image")
    flip_probability: Probability = setting(0.5, "of a horizontal flip")
    jitter_probability: Probability = setting(0.8, "of a change of colors")
    brightness: Probability = setting(0.4, "strength of the change of brightness")
    contrast: Probability = setting(0.4, "strength of the change of contrast")
    saturation: Probability = setting(0.2, "strength of the change of saturation")
    hue: Annotated[float, Meta(ge=0, le=0.5)] = setting(0.1, "strength of the change of hue")
    grayscale_probability: Probability = setting(0.2, "of a view without colors")
    blur_radius: tuple[NotNegative, ...] = setting((0.1, 2.0), "range of the blur's radius", unit="pixels")
    blur_probability: tuple[Probability, ...] = setting(
        (1.0, 0.1, 0.5), "of the first global, the second global and the local views"
    )
    solarize_probability: Probability = setting(0.2, "of the second global view")
    mean: tuple[float, ...] = setting((0.485, 0.456, 0.406), "of the normalization; one number serves all channels")
    std: tuple[Positive, ...] = setting((0.229, 0.224, 0.225), "of the normalization; one number serves all channels")
    objective: Literal["cross_entropy", "mse", "infonce"] = setting(
        "cross_entropy", "what compares student and teacher; the temperatures belong to cross_entropy"
    )
    teacher: Literal["momentum", "previous_iteration", "previous_epoch", "student"] = setting(
        "momentum", "where the teacher's weights come from"
    )
    centering: Literal["ema", "sinkhorn", "batch_softmax", "none"] = setting(
        "ema", "how the teacher's outputs are kept from one dimension; ema or none for mse"
    )
    sharpening: bool = setting(True, "a teacher temperature of its own; without it the student's")
    sinkhorn_iterations: Count = setting(3, "of centering sinkhorn")
    sinkhorn_per_view: bool = setting(False, "balance each global view by itself, as SwAV does")
    queue: Count = setting(65536, "negatives kept by objective infonce")
    infonce_temperature: Positive = setting(0.2, "of objective infonce")
    student_temp: Positive = setting(0.1, "temperature of the student's softmax")
    teacher_temp: Positive = setting(0.04, "temperature of the teacher's softmax after its warm-up")
    warmup_teacher_temp: Positive = setting(0.04, "temperature of the teacher's softmax at the start")
    warmup_teacher_temp_epochs: CountOrZero = setting(0, "epochs in which the teacher's temperature rises")
    center_momentum: Probability = setting(0.9, "of the running mean of the teacher's outputs")
    momentum_teacher: Probability = setting(0.996, "of the running mean of the weights; rises to 1 by a cosine")
    optimizer: Literal["adamw", "sgd", "lars"] = setting("adamw", "what moves the student's weights")
    lr: NotNegative = setting(0.0005, "learning rate for 256 images; the peak is lr * batch_size / 256", was="base_lr")
    min_lr: NotNegative = setting(1e-6, "learning rate at the end, not scaled by the batch")
    warmup_epochs: CountOrZero = setting(10, "epochs in which the learning rate rises")
    weight_decay: NotNegative = setting(0.04, "at the start of a cosine")
    weight_decay_end: NotNegative = setting(0.4, "at the end of that cosine")
    clip_grad: NotNegative = setting(3.0, "largest norm of one tensor's gradient; 0 for none")
    freeze_last_layer_epochs: CountOrZero = setting(1, "epochs in which the head's last layer stays as it is")
    batch_size: Count = setting(512, "images of one step, over all processes and micro-batches")
    accumulation: Count = setting(1, "micro-batches per step and process")
    epochs: Count = setting(100, "of the run")
    seed: Seed = setting(0, "of weights, order and views")
    precision: Literal["fp32", "bf16"] = setting("fp32", "of the networks; losses and weights stay in float32")
    compile: bool = setting(False, "blocks of a vision transformer through torch.compile, on GPUs")
    streaming: bool = setting(False, "read hf: data as a stream, without a copy on disk and without a probe")
    shuffle_buffer: CountOrZero = setting(10000, "images of a stream among which the next is drawn")
    epoch_images: CountOrZero = setting(0, "images of an epoch of a stream; 0 for all, where it tells how many")
    workers: Annotated[int, Meta(ge=-1, le=2**31 - 1)] = setting(
        -1, "processes that draw views; -1 chooses by the machine", moves_figure=False
    )
    knn_every: CountOrZero = setting(1, "epochs between k-NN probes of the teacher; 0 for none", moves_figure=False)
    knn_images: Count = setting(
        4000, "training images in the probe's bank at most; half as many are tested", moves_figure=False
    )
    log_every: Count = setting(10, "steps between two lines of the log", moves_figure=False)
    log: TrackerKind = setting(
        "", "tracker that gets the figures too, by its own library", moves_figure=False, later=True
    )
    save_minutes: Positive = setting(
        10.0, "a checkpoint at the first line of the log after so long, and every epoch", unit="min", moves_figure=False
    )
    keep_every: CountOrZero = setting(
        0, "epochs between checkpoints that are kept; 0 keeps the last and the best alone", moves_figure=False
    )
    on_collapse: Literal["stop", "continue"] = setting(
        "stop", "stop, or go on beside a kept last good checkpoint", moves_figure=False
    )
    reschedule: bool = setting(False, "let a resumed run change its length and other settings", moves_figure=False)


@dataclass(frozen=True)
class Recipe(RecipeSettings):
    """One training run, apart from the data and the machine.

    Attributes:
        name, summary: for people.
        sources: where a figure comes from, by field.
    """

    name: str = "vits16-100ep"
    summary: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def views(self) -> int:
        """Views of one image."""
        return 2 + self.local_crops

    @property
    def head_width(self) -> int:
        """Width of what the objective compares: K outputs, or the projection."""
        return self.out_dim if self.head_outputs else self.head_bottleneck

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint and a record keep them."""
        return plain(self)

    def digest(self) -> str:
        """The first digits of the SHA-256 of all values."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:12]
