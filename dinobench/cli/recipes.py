"""`dinobench recipes`: the training recipes and every number in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dinobench.cli.completion import recipe_names
from dinobench.cli.options import CommandGroup

if TYPE_CHECKING:
    from dinobench.training.recipe import Recipe

NO_SOURCE = "no source given"


@click.group(cls=CommandGroup, name="recipes", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the training recipes; `recipes show NAME` prints every field with its source."""
    from dinobench.training.recipe_files import load_recipe, recipe_names

    if context.invoked_subcommand is None:
        names = recipe_names()
        width = max(map(len, names))
        for name in names:
            click.echo(f"{name:<{width}}  {load_recipe(name).summary}")


@command.command()
@click.argument("name", shell_complete=recipe_names)
@click.option("--against", metavar="OTHER", help="Print what differs from recipe OTHER, with both sources.")
def show(name: str, against: str | None) -> None:
    """Print recipe NAME, a name or a TOML file: value, source, type and range of every field."""
    from dinobench.training.recipe_files import load_recipe

    recipe = load_recipe(name)
    click.echo(f"{recipe.name}: {recipe.summary}")
    if against is None:
        _print_fields(recipe)
    else:
        _print_differences(recipe, load_recipe(against))


def _print_fields(recipe: Recipe) -> None:
    from dinobench.runtime.settings import fields_of, toml_text
    from dinobench.training.recipe import RecipeSettings

    for field in fields_of(RecipeSettings).values():
        unit = f", in {field.about.unit}" if field.about.unit else ""
        source = f"  # {recipe.sources[field.name]}" if field.name in recipe.sources else ""
        click.echo(f"{field.name} = {toml_text(getattr(recipe, field.name))}{source}")
        click.echo(f"    {field.about.help} ({field.expected}{unit})")


def _print_differences(recipe: Recipe, other: Recipe) -> None:
    from dinobench.runtime.settings import fields_of, toml_text
    from dinobench.training.recipe import RecipeSettings

    names = [name for name in fields_of(RecipeSettings) if getattr(recipe, name) != getattr(other, name)]
    click.echo(f"{len(names)} fields differ from {other.name}: {other.summary}" if names else f"equal to {other.name}")
    for name in names:
        click.echo(name)
        for each in (recipe, other):
            source = each.sources.get(name, NO_SOURCE)
            click.echo(f"    {each.name}: {toml_text(getattr(each, name))}  # {source}")
