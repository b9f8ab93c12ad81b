"""`dinobench attention`: where a model's class token looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import click

from dinobench.cli.completion import model_names
from dinobench.cli.options import SETTINGS, SizeOption, not_empty


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    callback=not_empty,
    required=True,
    shell_complete=model_names,
    help="File, run directory, card, timm:NAME, hf:NAME or random:ARCH.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for one folder per image.")
@click.option(
    "--size",
    type=SizeOption(),
    default="480x480",
    show_default=True,
    help="WIDTHxHEIGHT whatever the aspect, as the released visualize_attention does; one number is the shorter side, "
    "aspect kept; 0 keeps the image's own size. Resized by Pillow, bilinear.",
)
@click.option("--share", default=0.6, show_default=True, help="Share of the attention's mass that masks keep.")
@click.option("--smooth/--blocks", default=False, help="Patches fade into one another, or stand as blocks (default).")
@click.option(
    "--percentile",
    type=click.FloatRange(50, 100),
    default=99.0,
    show_default=True,
    help="Of a head's weights, where its color scale ends; 100 is the hottest patch.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("png", "pdf", "svg")),
    default="png",
    show_default=True,
    help="Of the pictures.",
)
@click.option("--video", is_flag=True, help="Images are frames of one size: also write them as attention.gif.")
@SETTINGS
def command(
    images: tuple[Path, ...],
    model: str,
    output: Path,
    size: int | tuple[int, int],
    share: float,
    video: bool,
    smooth: bool,
    percentile: float,
    file_format: Literal["png", "pdf", "svg"],
    settings: tuple[str, ...],
) -> None:
    """Draw each head's attention map and mask, a grid of all, and an overlay.

    \b
    dinobench attention photo.jpg --model checkpoint.pth --output attention
    dinobench attention frames/*.jpg --model timm:vit_small_patch16_224.dino --video --output attention
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.early import refuse_early

    refuse_early(model, images=images)
    from dinobench.data.decode import read_rgb
    from dinobench.data.overlays import save_moving
    from dinobench.evaluators.attention_segmentation.maps import attention_maps, check_share
    from dinobench.evaluators.attention_segmentation.pictures import MapStyle, blend, draw_attention
    from dinobench.metrics.attention_mask import enlarge_masks
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.pipeline.model import ModelRequest, resolve_model
    from dinobench.pipeline.plan import newest_run
    from dinobench.pipeline.settings import RunSettings
    from dinobench.runtime.console import progress
    from dinobench.runtime.device import pick_device, prepare_device
    from dinobench.runtime.settings import known_changes, parse_pairs, resolve

    check_share(share, "--share")
    style = MapStyle(percentile=percentile, smooth=smooth, format=file_format)
    changes = parse_pairs(settings)
    _refuse_idle(changes)
    if video:
        _refuse_other_sizes(images)
    run = resolve(RunSettings, known_changes(RunSettings, changes), "attention")
    device = pick_device(run.device)
    prepare_device(device)
    loaded = resolve_model(ModelRequest(model or str(newest_run()), known_changes(ModelSettings, changes))).backbone
    loaded.backbone.to(device).eval()
    strip = []
    names = [path.stem for path in images]
    for index, path in enumerate(progress(images, "attention", len(images))):
        maps = attention_maps(loaded, read_rgb(path), size, device, run.precision, str(path), "bilinear")
        folder = output / (path.stem if names.count(path.stem) == 1 else f"{index:05d}_{path.stem}")
        masks = enlarge_masks(maps.masks(share), loaded.backbone.patch_size)
        paths = draw_attention(folder, maps.pixels, maps.weights, masks, style)
        strip.append(blend(maps.pixels, maps.weights.mean(axis=0), percentile))
        click.echo(paths["grid"])
    if video:
        save_moving(output / "attention.gif", strip, seconds=0.1)
        click.echo(output / "attention.gif")


def _refuse_idle(changes: Iterable[str]) -> None:
    """Refuse settings that would do nothing: those of the task, which has options here, and of the run's batches."""
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.runtime.errors import InputError
    from dinobench.runtime.settings import fields_of

    acting, instead = ("device", "precision", *fields_of(ModelSettings)), {"size": "--size", "shares": "--share"}
    for key in changes:
        if key not in acting:
            hint = f"use {instead[key]}" if key in instead else f"--set takes {', '.join(acting)}"
            raise InputError(f"--set {key} does nothing in `dinobench attention`; {hint}")


def _refuse_other_sizes(images: Sequence[Path]) -> None:
    from dinobench.data.decode import read_rgb
    from dinobench.runtime.errors import InputError

    first, *others = ((path, read_rgb(path).size) for path in images)
    for path, size in others:
        if size != first[1]:
            raise InputError(
                f"--video takes frames of one size: {path} is {size[0]} x {size[1]}, "
                f"{first[0]} {first[1][0]} x {first[1][1]}; resize it or leave out --video"
            )
