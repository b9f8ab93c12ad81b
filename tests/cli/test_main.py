import errno
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from dinobench.cli.main import FolderGroup, main
from dinobench.runtime.errors import InputError, RunFailedError

HEAVY = ("torch", "torchvision", "timm", "faiss", "datasets", "pandas", "matplotlib", "sklearn", "numpy")


@pytest.mark.parametrize("arguments", [["--help"], ["tasks"], ["models"], ["recipes"], ["tables", "--table", "2"]])
def test_a_quick_command_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from dinobench.cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    assert done.stderr == ""


def test_every_sub_command_explains_itself() -> None:
    assert isinstance(main, FolderGroup)
    names = main.list_commands(click.Context(main))
    assert {"eval", "tables", "tasks", "models", "report"} <= set(names)
    for name in names:
        done = CliRunner().invoke(main, [name, "--help"])
        assert done.exit_code == 0, (name, done.output)
        assert "Usage:" in done.output


def test_a_mistyped_command_gets_a_suggestion() -> None:
    done = CliRunner().invoke(main, ["tabels"])
    assert done.exit_code == 2
    assert done.output.strip() == "Error: unknown command 'tabels'; did you mean tables?"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no folder x;\n  give another"), 2, "Error: no folder x; give another"),
        (OSError(errno.ENOSPC, "No space left", "/x"), 2, "Error: the disk is full (/x); free space and run again"),
        (RunFailedError("the loss is nan;\n  lower lr"), 1, "Error: the loss is nan; lower lr"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_and_a_failed_run_1(error: Exception, code: int, line: str) -> None:
    class Failing(FolderGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            def fail() -> None:
                raise error

            return click.Command("tables", callback=fail)

    done = CliRunner().invoke(Failing("dinobench"), ["tables"])
    assert (done.exit_code, done.output.strip()) == (code, line)


def test_another_error_keeps_its_traceback() -> None:
    class Failing(FolderGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            def fail() -> None:
                raise OSError(errno.EIO, "input/output error")

            return click.Command("tables", callback=fail)

    assert isinstance(CliRunner().invoke(Failing("dinobench"), ["tables"]).exception, OSError)
