"""`dinobench tasks`: what can be evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from dinobench.cards import Protocol, TaskCard, load_tasks
from dinobench.cli.completion import task_names
from dinobench.cli.options import TASKS_DIR, CommandGroup
from dinobench.cli.settings_help import setting_lines
from dinobench.results.tables.specs import load_tables
from dinobench.runtime.settings import fields_of, toml_text
from dinobench.runtime.suggest import unknown


@click.group(cls=CommandGroup, name="tasks", invoke_without_command=True)
@TASKS_DIR
@click.pass_context
def command(context: click.Context, tasks_dir: Path | None) -> None:
    """List the tasks, protocols (the default first) and the tables that they fill; `tasks show NAME` prints one."""
    context.obj = load_tasks(tasks_dir)
    if context.invoked_subcommand is None:
        width = max(map(len, context.obj))
        titles = {table.name: table.title for table in load_tables().values()}
        for card in context.obj.values():
            click.echo(f"{card.name:<{width}}  {card.title}  [{', '.join(_protocols_with_tables(card, titles))}]")


def _protocols_with_tables(card: TaskCard, titles: Mapping[str, str]) -> list[str]:
    """Each protocol's name, the default first, and behind it the published tables whose cells it fills."""
    lines = []
    for name in sorted(card.protocols, key=lambda name: name != card.default_protocol):
        filled = dict.fromkeys(cell.table for cell in card.cells if (cell.protocol or card.default_protocol) == name)
        tables = " (" + ", ".join(titles.get(table, f"table {table}") for table in filled) + ")" if filled else ""
        lines.append(f"{name}{tables}")
    return lines


@command.command()
@click.argument("name", shell_complete=task_names)
@click.pass_obj
def show(cards: Mapping[str, TaskCard], name: str) -> None:
    """Print the card of task NAME."""
    if name not in cards:
        raise unknown("task", name, cards)
    card = cards[name]
    click.echo(f"{card.name}: {card.title}")
    click.echo(f"source     {card.source}")
    click.echo(f"data       {card.dataset} (layout {card.layout})")
    click.echo(f"metric     {card.main_metric}")
    for cell in card.cells:
        job = f"{card.name}@{cell.protocol or card.default_protocol}"
        click.echo(f"stands in  table {cell.table}, column {cell.column} ({cell.metric} of {job})")
    click.echo("settings")
    for line in setting_lines(card.settings_type()):
        click.echo(line)
    for protocol in card.protocols.values():
        _show_protocol(card, protocol)


@command.command()
@click.argument("name")
@click.option("--from", "source", required=True, shell_complete=task_names, help="The task that it begins as.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tasks"),
    show_default=True,
    help="Folder for the card.",
)
@click.option(
    "--tables",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tables"),
    show_default=True,
    help="Folder for the card of its table.",
)
@click.pass_obj
def new(cards: Mapping[str, TaskCard], name: str, source: str, output: Path, tables: Path) -> None:
    """Write a task of your own and its table, every field explained.

    \b
    dinobench tasks new mine --from knn
    dinobench eval --task mine --model MODEL --data FOLDER
    dinobench tables --table mine
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.new_cards import write_task

    if source not in cards:
        raise unknown("task", source, cards)
    for path in write_task(name, cards[source], output, tables, list(cards)):
        click.echo(path)


def _show_protocol(card: TaskCard, protocol: Protocol) -> None:
    default = " (default)" if protocol.name == card.default_protocol else ""
    click.echo(f"\n{card.name}@{protocol.name} version {protocol.version}{default}: {protocol.summary}")
    if not protocol.comparable:
        click.echo(f"  not comparable with the published figure: {protocol.because}")
    for key, field in fields_of(card.settings_type).items():
        if field.about.moves_figure:
            source = f"    [{protocol.sources[key]}]" if key in protocol.sources else ""
            click.echo(f"  {key} = {toml_text(getattr(protocol.settings, key))}{source}")
