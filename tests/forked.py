"""dinobench's commands in copies of this process, which has its imports behind it: quick to start, free to die."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import IO

from dinobench.cli.main import main as dinobench


def start_command(words: list[str], said: IO[str], environment: Mapping[str, str]) -> int:
    """Start one command in a process group of its own; gives its process number. What it says goes to the file."""

    def run() -> None:
        dinobench(words, prog_name="dinobench")

    return start(run, said, environment)


def start(work: Callable[[], object], said: IO[str], environment: Mapping[str, str]) -> int:
    """Start `work` likewise."""
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    os.environ.update(environment)
    os._exit(_exit_code(work))


def wait_for(process: int) -> int:
    """Exit code of a process that was started here; that of a killed one is negative."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _exit_code(work: Callable[[], object]) -> int:
    code = 0
    try:
        work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
