"""`dinobench attention`: where a model's class token looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from dinobench.cli.completion import model_names
from dinobench.cli.options import SETTINGS, SizeOption, not_empty
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import parse_pairs

if TYPE_CHECKING:
    from dinobench.evaluators.attention_segmentation.maps import AttentionMaps
    from dinobench.evaluators.attention_segmentation.pictures import MapStyle


def _not_empty_each(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        not_empty(ctx, param, one)
    return value


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    "models",
    callback=_not_empty_each,
    required=True,
    multiple=True,
    shell_complete=model_names,
    help="File, run directory, card, timm:NAME, hf:NAME or random:ARCH; given again, models are drawn side by side.",
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
    models: tuple[str, ...],
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
    dinobench attention photo.jpg --model a.pth --model b.pth --smooth --format pdf --output attention
    dinobench attention frames/*.jpg --model timm:vit_small_patch16_224.dino --video --output attention
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.early import refuse_early

    for model in models:
        refuse_early(model, images=images)
    changes = parse_pairs(settings)
    _refuse_idle(changes)
    if video and len(models) > 1:
        raise InputError("--video draws one model; give --model once")
    if video:
        _refuse_other_sizes(images)
    from dinobench.data.overlays import save_moving
    from dinobench.evaluators.attention_segmentation.maps import check_share
    from dinobench.evaluators.attention_segmentation.pictures import MapStyle, blend, draw_models

    check_share(share, "--share")
    style = MapStyle(percentile=percentile, smooth=smooth, format=file_format)
    folders = [output / name for name in _distinct([path.stem for path in images])]
    seen = _draw_each_model(models, dict(zip(folders, images, strict=True)), size, share, style, changes)
    if video:
        (maps,) = seen.values()
        strip = [blend(each.pixels, each.weights.mean(axis=0), percentile) for each in maps]
        save_moving(output / "attention.gif", strip, seconds=0.1)
        click.echo(output / "attention.gif")
    for number, folder in enumerate(folders if len(models) > 1 else ()):
        looks = [(name, maps[number].pixels, maps[number].weights) for name, maps in seen.items()]
        draw_models(folder / f"models.{file_format}", looks, style)
        click.echo(folder / f"models.{file_format}")


def _draw_each_model(
    models: Sequence[str],
    images: Mapping[Path, Path],
    size: int | tuple[int, int],
    share: float,
    style: MapStyle,
    changes: Mapping[str, Any],
) -> dict[str, list[AttentionMaps]]:
    """Draw every image, by its folder, for every model; the maps by the models' names, in the order of the images."""
    from dinobench.data.decode import read_rgb
    from dinobench.evaluators.attention_segmentation.maps import attention_maps
    from dinobench.evaluators.attention_segmentation.pictures import draw_attention
    from dinobench.metrics.attention_mask import enlarge_masks
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.pipeline.model import ModelRequest, resolve_model
    from dinobench.pipeline.settings import RunSettings
    from dinobench.runtime.console import progress
    from dinobench.runtime.device import pick_device, prepare_device
    from dinobench.runtime.settings import known_changes, resolve

    run = resolve(RunSettings, known_changes(RunSettings, changes), "attention")
    device = pick_device(run.device)
    prepare_device(device)
    of_model = known_changes(ModelSettings, changes)
    loaded = [resolve_model(ModelRequest(model, of_model)).backbone for model in models]
    seen: dict[str, list[AttentionMaps]] = {}
    for name, model in zip(_distinct([each.name for each in loaded]), loaded, strict=True):
        model.backbone.to(device).eval()
        seen[name] = []
        for folder, path in progress(images.items(), "attention", len(images)):
            maps = attention_maps(model, read_rgb(path), size, device, run.precision, str(path), "bilinear")
            masks = enlarge_masks(maps.masks(share), model.backbone.patch_size)
            place = folder / name if len(models) > 1 else folder
            click.echo(draw_attention(place, maps.pixels, maps.weights, masks, style)["grid"])
            seen[name].append(maps)
    return seen


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that stand twice with their number before."""
    return [name if names.count(name) == 1 else f"{number:05d}_{name}" for number, name in enumerate(names)]


def _refuse_idle(changes: Iterable[str]) -> None:
    """Refuse settings that would do nothing: those of the task, which has options here, and of the run's batches."""
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.runtime.settings import fields_of

    acting, instead = ("device", "precision", *fields_of(ModelSettings)), {"size": "--size", "shares": "--share"}
    for key in changes:
        if key not in acting:
            hint = f"use {instead[key]}" if key in instead else f"--set takes {', '.join(acting)}"
            raise InputError(f"--set {key} does nothing in `dinobench attention`; {hint}")


def _refuse_other_sizes(images: Sequence[Path]) -> None:
    from dinobench.data.decode import read_rgb

    first, *others = ((path, read_rgb(path).size) for path in images)
    for path, size in others:
        if size != first[1]:
            raise InputError(
                f"--video takes frames of one size: {path} is {size[0]} x {size[1]}, "
                f"{first[0]} {first[1][0]} x {first[1][1]}; resize it or leave out --video"
            )
