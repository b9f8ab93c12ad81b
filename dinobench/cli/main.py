"""The `dinobench` command: sub-commands are the files of this folder that define `command`."""

from __future__ import annotations

import errno
import importlib
import io
import sys
from pathlib import Path
from typing import Any

import click

from dinobench.cli.options import CommandGroup
from dinobench.runtime.errors import InputError, ProcessError, RunFailedError
from dinobench.runtime.hardware_failures import failure_line
from dinobench.runtime.signals import StoppedError

_ORDER = ("train", "eval", "tables", "report", "compare", "inspect", "tasks", "models", "recipes", "data")
_HELPERS = {"__init__", "main", "options", "completion"}


class Refusal(click.ClickException):
    """Bad input, shown as one line; exit code 2."""

    exit_code = 2

    def format_message(self) -> str:
        """The message on one line, whatever it was made of."""
        return " ".join(self.message.split())


class FailedRun(Refusal):
    """A run that failed by itself or by another process, shown as one line; exit code 1."""

    exit_code = 1


class FolderGroup(CommandGroup):
    """A group whose sub-commands are modules PREFIX*.py of this folder, imported when asked for."""

    def __init__(self, *args: Any, prefix: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the sub-commands, the main job's first."""
        stems = (path.stem for path in Path(__file__).parent.glob(f"{self.prefix}*.py"))
        names = {stem.removeprefix(self.prefix) for stem in stems if stem not in _HELPERS and self._owns_stem(stem)}
        return sorted(names, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))

    def _owns_stem(self, stem: str) -> bool:
        return bool(self.prefix) or "_" not in stem

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command in the file of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"dinobench.cli.{self.prefix}{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a mistyped name."""
        from dinobench.runtime.suggest import unknown

        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            raise Refusal(str(unknown("command", args[0], known)))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the sub-command; bad input, a full disk, too little memory and a device that gave out end in one line."""
        _show_odd_names()
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise Refusal(str(error)) from error
        except (RunFailedError, ProcessError) as error:
            raise FailedRun(str(error)) from error
        except StoppedError as stop:
            click.echo(str(stop), err=True)
            ctx.exit(128 + stop.number)
        except OSError as error:
            raise _refusal_of(error) or error from error
        except (RuntimeError, MemoryError) as error:
            if line := failure_line(error):
                raise FailedRun(line) from error
            raise


def _refusal_of(error: OSError) -> Refusal | None:
    """What a full disk, a read-only folder, a missing permission or a long name is to the user; None for others."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(f"the disk is full ({error.filename or 'while writing'}); free space and run again")
    if error.errno == errno.ENAMETOOLONG and error.filename:
        return Refusal(f"{str(error.filename)[:100]}...: {error.strerror}; give a shorter path")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and error.filename:
        return Refusal(f"{error.filename}: {error.strerror}; choose another place or mend its permissions")
    return None


def _show_odd_names() -> None:
    """File names that are no UTF-8 are printed with their bytes as numbers; by default printing them is an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the version, and the commit where the package lies in a checkout."""
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    from dinobench.runtime.stamp import git_commit

    commit = git_commit()
    click.echo(f"dinobench {version('dinobench')}" + (f" (commit {commit})" if commit else ""))
    ctx.exit()


@click.group(cls=FolderGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show it.")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    help="Your own evaluator, layout, twin or checkpoint family; the file is run.",
)
def main(plugins: tuple[Path, ...]) -> None:
    """Score vision backbones the way the DINO paper does, with the published figure beside each of ours."""
    from dinobench.runtime.plugins import use_plugin_file

    for path in plugins:
        use_plugin_file(path)
