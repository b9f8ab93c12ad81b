"""`dinobench features`: the feature store, and features for other tools."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from dinobench.cli.completion import data_names, model_names
from dinobench.cli.options import MODELS_DIR, SETTINGS, CommandGroup, SizeOption, not_empty

if TYPE_CHECKING:
    from dinobench.features.entry import Entry
    from dinobench.features.maps import MapSettings

STORE = click.option(
    "--store", type=click.Path(path_type=Path), help="Folder of the store (default $DINOBENCH_CACHE/features)."
)


@click.group(cls=CommandGroup)
def command() -> None:
    """List, check and prune the feature store; export features."""


@command.command("ls")
@STORE
def list_entries(store: Path | None) -> None:
    """List what is stored."""
    from dinobench.features.store import FeatureStore

    entries = FeatureStore(store).entries()
    for entry in entries:
        about = entry.description
        name = about.get("name") or about.get("model")  # where older versions kept a descriptor's
        columns = ", ".join(f"{name} {_share_done(count, entry)}" for name, count in entry.columns().items()) or "empty"
        click.echo(
            f"{entry.folder.name}  {name}  {about['data']}  {entry.images} images  {about['precision']}{_kept(about)}  "
            f"[{columns}]  {entry.bytes() / 1e6:.1f} MB  used {_last_use(entry):%Y-%m-%d %H:%M}"
        )
    total = sum(entry.bytes() for entry in entries)
    click.echo(f"{len(entries)} entries, {total / 1e6:.1f} MB in {FeatureStore(store).folder}")


@command.command()
@click.argument("keys", nargs=-1)
@STORE
def verify(keys: tuple[str, ...], store: Path | None) -> None:
    """Check every file against its checksum (of entries KEYS, by default all)."""
    import sys

    damaged = []
    for entry in _chosen_entries(keys, store):
        found = entry.damaged()
        damaged += found
        click.echo(f"{entry.folder.name}  {f'{len(found)} damaged' if found else 'sound'}")
        for path in found:
            click.echo(f"  {path}")
    if damaged:
        click.echo(f"{len(damaged)} damaged files; the next run that needs them extracts them again")
        sys.exit(1)


@command.command()
@click.argument("keys", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Remove every entry.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Remove entries not used for so long.")
@STORE
def prune(keys: tuple[str, ...], everything: bool, older_than: float | None, store: Path | None) -> None:
    """Remove entries: KEYS, those not used for some DAYS, or all."""
    if bool(keys) + everything + (older_than is not None) != 1:
        raise click.UsageError("give KEYS, --older-than DAYS or --all")
    chosen = _chosen_entries(keys, store)
    if older_than is not None:
        limit = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=older_than)
        chosen = [entry for entry in chosen if _last_use(entry) < limit]
    freed = sum(entry.bytes() for entry in chosen)
    for entry in chosen:
        entry.remove()
    click.echo(f"removed {len(chosen)} entries, {freed / 1e6:.1f} MB")


@command.command()
@click.option("--model", callback=not_empty, required=True, shell_complete=model_names, help="Model SPEC, as for eval.")
@click.option("--data", callback=not_empty, required=True, shell_complete=data_names, help="Data SPEC, as for eval.")
@click.option("--split", default="val", show_default=True)
@click.option("--layout", help="Layout of a folder; by default the data set's own, else class folders.")
@click.option(
    "--feature",
    default="cls",
    show_default=True,
    help="Vectors: cls, mean, cls.N, or a sum such as cls.2+cls+mean. Maps of h x w vectors: patches, patches.N, keys.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File: .npy, .safetensors or .parquet.")
@click.option("--numbers", type=click.Choice(["fp32", "fp16"]), default="fp32", show_default=True, help="Of maps.")
@click.option(
    "--size",
    type=SizeOption(),
    help="WIDTHxHEIGHT that whole images are resized to for maps, whatever their aspect; by default the square center "
    "crop that the model takes (--set image_size=PIXELS).",
)
@click.option("--dry-run", is_flag=True, help="Say how many bytes the features take; extract nothing.")
@SETTINGS
@MODELS_DIR
def export(
    model: str,
    data: str,
    split: str,
    layout: str | None,
    feature: str,
    output: Path,
    numbers: Literal["fp32", "fp16"],
    size: int | tuple[int, int] | None,
    dry_run: bool,
    settings: tuple[str, ...],
    models_dir: Path | None,
) -> None:
    """Write the features of a data set's split to a file.

    \b
    dinobench features export --model dino_vits8 --data imagenette --feature patches --numbers fp16 --output maps.npy
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.early import refuse_early

    refuse_early(model, data, models_dir=models_dir)
    from dinobench.data.open import open_dataset
    from dinobench.features.export import check_format, export_features
    from dinobench.features.extract import ExtractionSettings
    from dinobench.features.maps import row_size
    from dinobench.features.names import parse_columns
    from dinobench.features.store import FeatureStore
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.pipeline.model import ModelRequest, resolve_model
    from dinobench.pipeline.settings import RunSettings
    from dinobench.runtime.device import pick_device, prepare_device
    from dinobench.runtime.settings import known_changes, parse_pairs, refuse_unknown, resolve

    check_format(output)
    columns, kept = parse_columns(feature), _map_settings(feature, numbers, size)
    changes = parse_pairs(settings)
    refuse_unknown(changes, [RunSettings, ModelSettings], "setting of features export")
    run = resolve(RunSettings, known_changes(RunSettings, changes), "features export")
    device = pick_device(run.device)
    prepare_device(device)
    request = ModelRequest(model, known_changes(ModelSettings, changes), models_dir=models_dir)
    loaded = resolve_model(request).backbone
    images = open_dataset(data, split, layout)
    how = ExtractionSettings(device, run.batch_size, run.workers, run.precision, run.compile)
    row = row_size(loaded, columns, kept, how)
    store = FeatureStore()
    size_line = _size_line((len(images), *row.shape), row.bytes, images.name, store.folder, output)
    click.echo(size_line, err=not dry_run)
    if dry_run:
        return
    if kept is None:
        matrix = store.features(loaded, images, feature, how)
    else:
        matrix = store.maps(loaded, images, feature, how, kept=kept)
    export_features(matrix, images, output)
    for line in matrix.unreadable.values():
        click.echo(f"left out: {line}", err=True)
    click.echo(f"{_joined(matrix.shape)} features of {images.name} in {output}")


def _size_line(shape: tuple[int, ...], image_bytes: int, data: str, store: Path, output: Path) -> str:
    """What features take in the store and in the file, and what is free where the store lies."""
    import shutil

    place = next(folder for folder in (store, *store.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    return (
        f"{_joined(shape)} features of {data} take {shape[0] * image_bytes / 1e6:.1f} MB in {store}, "
        f"where {free / 1e6:.0f} MB are free, and as much in {output}"
    )


def _joined(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _map_settings(
    feature: str, numbers: Literal["fp32", "fp16"], size: int | tuple[int, int] | None
) -> MapSettings | None:
    """How maps are kept; None for a feature of vectors."""
    from dinobench.features.maps import MapSettings
    from dinobench.features.names import names_maps
    from dinobench.features.preparation import stretched

    if not names_maps(feature):
        if numbers != "fp32" or size is not None:
            raise click.UsageError(f"--numbers and --size act on maps, and {feature} is a vector; leave them out")
        return None
    if isinstance(size, int):
        raise click.UsageError("maps of one store have one size; give --size WIDTHxHEIGHT")
    return MapSettings(numbers, size and stretched(size[1], size[0]))


def _chosen_entries(keys: tuple[str, ...], store: Path | None) -> list[Entry]:
    from dinobench.features.store import FeatureStore
    from dinobench.runtime.suggest import unknown

    entries = {entry.folder.name: entry for entry in FeatureStore(store).entries()}
    for key in keys:
        if key not in entries:
            raise unknown("entry of the feature store", key, entries)
    return [entries[key] for key in keys] if keys else list(entries.values())


def _kept(about: Mapping[str, Any]) -> str:
    """How an entry keeps maps."""
    maps = about.get("maps")
    return f", maps of {maps['preparation']} in {maps['numbers']}" if maps else ""


def _share_done(count: int, entry: Entry) -> str:
    return "complete" if count == len(entry.shards) else f"{count}/{len(entry.shards)}"


def _last_use(entry: Entry) -> datetime.datetime:
    return datetime.datetime.fromtimestamp((entry.folder / "entry.json").stat().st_mtime, datetime.UTC)
