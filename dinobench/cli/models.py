"""`dinobench models`: the published models and where their weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from dinobench.cards import ModelCard, load_models
from dinobench.cli.completion import model_names
from dinobench.cli.options import MODELS_DIR, CommandGroup
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown


@click.group(cls=CommandGroup, name="models", invoke_without_command=True)
@MODELS_DIR
@click.pass_context
def command(context: click.Context, models_dir: Path | None) -> None:
    """List the published models; `models show NAME` prints one card, `models fetch NAME` downloads its weights."""
    context.obj = load_models(models_dir)
    if context.invoked_subcommand is None:
        _print_cards(list(context.obj.values()))


def _print_cards(cards: Sequence[ModelCard]) -> None:
    name_width = max((len(card.name) for card in cards), default=0)
    architecture_width = max((len(card.architecture) for card in cards), default=0)
    for card in cards:
        state = _weights_state(card)
        click.echo(f"{card.name:<{name_width}}  {card.architecture:<{architecture_width}}  {state:<12}  {card.title}")


def _weights_state(card: ModelCard) -> str:
    if card.random:
        return "random"
    return "a file" if card.local else "released" if card.released else "not released"


def _find_card(cards: Mapping[str, ModelCard], name: str) -> ModelCard:
    if name not in cards:
        raise unknown("model", name, cards)
    return cards[name]


@command.command()
@click.argument("name", shell_complete=model_names)
@click.pass_obj
def show(cards: Mapping[str, ModelCard], name: str) -> None:
    """Print the card of model NAME."""
    card = _find_card(cards, name)
    click.echo(f"{card.name}: {card.title}")
    for label, text in (
        ("method", card.method),
        ("arch", card.architecture),
        ("family", card.family),
        ("license", card.license),
        ("source", card.source),
        ("weights", card.weights + (f" ({card.because})" if card.because else "")),
        ("sha256", card.sha256 or "none known"),
    ):
        click.echo(f"{label:<8} {text}")
    for row in card.rows:
        click.echo(f"row      table {row.table}: {', '.join(f'{key} = {value}' for key, value in row.key.items())}")
    for setting, value in card.settings.items():
        click.echo(f"setting  {setting} = {value}")
    for part, values in card.released_settings.items():
        click.echo(f"released {part}: {', '.join(f'{key} = {value}' for key, value in values.items())}")
    for name_of_figure, figure in card.figures.items():
        held = f"; protocol {figure.protocol}" if figure.protocol else ""
        click.echo(f"figure   {name_of_figure} = {figure.value} ({figure.source}{held})")


@command.command()
@click.argument("name", shell_complete=model_names)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the file (default $DINOBENCH_CACHE/weights).",
)
@click.pass_obj
def fetch(cards: Mapping[str, ModelCard], name: str, output: Path | None) -> None:
    """Download the weights of model NAME; a cut download resumes when run again."""
    from dinobench.models.loading.download import fetch_weights

    card = _find_card(cards, name)
    if not card.released:
        raise InputError(f"the weights of {card.name} are not released: {card.because}")
    if card.random:
        raise InputError(f"the weights of {card.name} are drawn at random; there is nothing to fetch")
    got = fetch_weights(card.name, card.weights, sha256=card.sha256, folder=output)
    click.echo(f"{'fetched' if got.downloaded else 'already here'}: {got.path}")
    click.echo(f"sha256 {got.sha256} ({'as the card says' if got.verified else 'no known digest to compare with'})")


@command.command()
@click.argument("name")
@click.option("--weights", required=True, help="Checkpoint file, or the address of one.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reference_models"),
    show_default=True,
    help="Folder for the card.",
)
@click.pass_obj
def new(cards: Mapping[str, ModelCard], name: str, weights: str, output: Path) -> None:
    """Write a card of your own for a checkpoint, every field explained.

    \b
    dinobench models new mine --weights checkpoint.pth
    dinobench eval --task knn --model mine --data FOLDER
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.new_cards import describe_checkpoint, write_model

    for path in write_model(name, weights, describe_checkpoint(weights), output, list(cards)):
        click.echo(path)
