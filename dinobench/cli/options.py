"""Options that several sub-commands share."""

from __future__ import annotations

from pathlib import Path

import click


def not_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse `--model "$CHECKPOINT"` of an unset variable: it is a slip, never a wish for the default."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; is a shell variable unset?")
    return value


TASKS_DIR = click.option(
    "--tasks-dir", type=click.Path(path_type=Path), help="Folder with further task cards (default also ./tasks)."
)
MODELS_DIR = click.option(
    "--models-dir", type=click.Path(path_type=Path), help="Folder with further model cards (./reference_models too)."
)
TABLES_DIR = click.option(
    "--tables-dir", type=click.Path(path_type=Path), help="Folder with further table cards (default also ./tables)."
)
CARD = click.option(
    "--card", default="", help="The published model that a file is; none for no card; default: recognized."
)
MODEL_NAME = click.option("--name", "model_name", default="", help="Name of the model in tables and records.")
RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results/records"),
    show_default=True,
    help="Folder of run records.",
)
SETTINGS = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting; repeatable.")
