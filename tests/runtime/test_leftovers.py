"""What a killed process leaves is removed by the next one that writes there; what a living one writes stays."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import dinobench
from dinobench.runtime import leftovers
from dinobench.runtime.cache import built_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path, write_text_atomically

KILLED = """
import os, signal, sys
from pathlib import Path
from dinobench.runtime.cache import built_folder
from dinobench.runtime.files import atomic_path
def build(folder):
    (folder / "half").write_text("half")
    with atomic_path(Path(sys.argv[1]) / "checkpoint.pth") as temporary:
        temporary.write_bytes(bytes(1000))
        os.kill(os.getpid(), signal.SIGKILL)
built_folder(Path(sys.argv[1]) / "twin", build)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len([path for path in tmp_path.iterdir() if path.suffix == ".tmp"]) == 2
    write_text_atomically(tmp_path / "other.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_files_of_living_processes_and_other_machines_stay(tmp_path: Path) -> None:
    other = tmp_path / f".a.{'0' * 8}-1-{'0' * 8}.tmp"
    other.write_text("of another machine")
    foreign = tmp_path / ".user.tmp"
    foreign.write_text("no name of ours")
    with atomic_path(tmp_path / "own.txt") as temporary:
        temporary.write_text("mine")
        leftovers._sweep_once.cache_clear()
        leftovers.sweep(tmp_path)
        assert temporary.exists() and other.exists() and foreign.exists()
    os.utime(other, (0, 0))
    leftovers._sweep_once.cache_clear()
    leftovers.sweep(tmp_path)
    assert not other.exists() and foreign.exists()


def test_names_as_long_as_the_file_system_takes_are_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".json")
    write_text_atomically(path, "{}")
    assert path.read_text() == "{}"


def test_a_cache_that_cannot_be_built_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another place with DINOBENCH_CACHE"):
        built_folder(tmp_path / "file" / "twin", lambda folder: None)


def test_no_module_needs_unix_when_imported() -> None:
    """Every module imports where the modules that only Unix has are hidden."""
    names = [module.name for module in pkgutil.walk_packages(dinobench.__path__, "dinobench.")]
    names = [name for name in names if not name.endswith("__main__")]
    code = (
        "import sys, importlib\n"
        "import torch, numpy, PIL.Image, filelock, click, timm\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('fcntl', 'resource', 'pwd', 'grp', 'termios'): raise ImportError(name)\n"
        "for name in ('fcntl', 'resource', 'pwd', 'grp', 'termios'): sys.modules.pop(name, None)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        f"failed = []\nfor name in {names!r}:\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError as error:\n"
        "        if str(error) in ('fcntl', 'resource', 'pwd', 'grp', 'termios'): failed.append(name)\n"
        "sys.exit(' '.join(failed) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert importlib.util.find_spec("dinobench.runtime.clock") is not None
    assert done.returncode == 0, done.stderr


def test_a_disk_that_is_full_for_safetensors_is_one_line(tmp_path: Path) -> None:
    from safetensors import SafetensorError

    path = tmp_path / "head.safetensors"
    path.write_text("before")
    with pytest.raises(InputError, match="the disk is probably full"), atomic_path(path):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]
