"""Options that several sub-commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dinobench.cli.completion import card_names, setting_names

_MOST_PIXELS = 16384


class CommandGroup(click.Group):
    """A group whose help gives each sub-command's summary whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sub-commands with the first sentence of their help, wrapped where it is long."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [(name, command) for name, command in commands if command and not command.hidden]
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in shown]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


class SizeOption(click.ParamType[int | tuple[int, int]]):
    """`480x320` as (width, height), `480` as a number."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        """The size; a usage error for anything but one or two numbers."""
        sides = str(value).lower().split("x")
        if len(sides) > 2 or not all(side.isdecimal() and int(side) <= _MOST_PIXELS for side in sides):
            self.fail(f"{value!r} is not a size; give WIDTHxHEIGHT such as 480x480, or the shorter side such as 480")
        if len(sides) == 1:
            return int(sides[0])
        return int(sides[0]), int(sides[1])


def not_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse `--model "$CHECKPOINT"` of an unset variable: it is a slip, never a wish for the default."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; is a shell variable unset?")
    return value


def known_device(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a device of no kind before torch is loaded to say so."""
    if value is not None:
        from dinobench.runtime.device_kinds import refuse_unknown_kind

        refuse_unknown_kind(value)
    return value


def with_device(settings: dict[str, Any], device: str | None) -> dict[str, Any]:
    """The settings with `--device` among them.

    Raises:
        InputError: they name another device.
    """
    if device is None:
        return settings
    other = settings.get("device", device)
    if other != device:
        from dinobench.runtime.errors import InputError

        raise InputError(f"--device {device} and --set device={other} are two devices; give one")
    return {**settings, "device": device}


DEVICE = click.option(
    "--device", callback=known_device, help="cpu, cuda, cuda:N, mps or xpu; by default the best there is."
)
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
    "--card",
    default="",
    shell_complete=card_names,
    help="The published model that a file is; none for no card; default: recognized.",
)
MODEL_NAME = click.option("--name", "model_name", default="", help="Name of the model in tables and records.")
RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results/records"),
    show_default=True,
    help="Folder of run records.",
)
SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=setting_names,
    help="Override a setting; repeatable.",
)
RESOURCES = click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of a job: nodes=2, gres=gpu:1, partition=gpu; submitit's and Slurm's words; repeatable.",
)
