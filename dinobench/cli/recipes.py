"""`dinobench recipes`: the training recipes and every number in them."""

from __future__ import annotations

import click


@click.group(name="recipes", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the training recipes; `recipes show NAME` prints every field with its source."""
    from dinobench.training.recipe import load_recipe, recipe_names

    if context.invoked_subcommand is None:
        names = recipe_names()
        width = max(map(len, names))
        for name in names:
            click.echo(f"{name:<{width}}  {load_recipe(name).summary}")


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """Print recipe NAME, a name or a TOML file."""
    from dinobench.training.recipe import load_recipe

    recipe = load_recipe(name)
    click.echo(f"{recipe.name}: {recipe.summary}")
    for field, value in recipe.settings().items():
        source = f"  # {recipe.sources[field]}" if field in recipe.sources else ""
        click.echo(f"{field} = {value!r}{source}")
