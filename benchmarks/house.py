"""Measure the structure of the package with the standard `ast` module: python benchmarks/house.py [FOLDER].

Prints: lines of code, files over 300 lines, lengths of functions, names of one word, class names that stand twice,
settings read by string, and names of devices outside the one room that knows them. With --list the places as well.
With --hops the longest chain of our own calls in `eval --task knn --model pixels --data mini`, which is then run.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

LONGEST_FILE = 300
PACKAGE = Path("dinobench").resolve()
DEVICES = {"cuda", "mps", "xpu"}
DEVICE_ROOM = (Path("runtime/device.py"), Path("runtime/device_kinds.py"))
# Names that a protocol, a library or a convention of the house asks for.
CONVENTIONS = {"forward", "main", "command", "evaluate", "open", "check", "write", "build", "show", "fetch", "train"}
ONE_PER_EVALUATOR = {"Settings"}  # by convention one in each evaluator's folder


@dataclass
class House:
    """What was found, each with its place."""

    lines: int = 0
    code_lines: int = 0
    long_files: list[str] = field(default_factory=list)
    functions: list[tuple[int, str]] = field(default_factory=list)
    one_word: list[str] = field(default_factory=list)
    classes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    string_reads: list[str] = field(default_factory=list)
    device_names: list[str] = field(default_factory=list)


def measure(package: Path) -> House:
    """Read every module of the package."""
    house = House()
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        house.lines += len(lines)
        house.code_lines += sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))
        where = path.relative_to(package)
        if len(lines) > LONGEST_FILE:
            house.long_files.append(f"{where} {len(lines)}")
        _read_module(house, ast.parse(text), where)
    return house


def _read_module(house: House, tree: ast.Module, where: Path) -> None:
    docstrings = set(_docstring_nodes(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            house.functions.append((_length(node), f"{where}:{node.name}"))
            name = node.name.strip("_")
            if "_" not in name and name not in CONVENTIONS and not node.name.startswith("__"):
                house.one_word.append(f"{where}:{node.name}")
        elif isinstance(node, ast.ClassDef) and node.name not in ONE_PER_EVALUATOR:
            house.classes[node.name].append(str(where))
        elif isinstance(node, ast.Subscript) and _is_settings_read(node):
            house.string_reads.append(f"{where}:{node.lineno}")
        elif isinstance(node, ast.Constant) and node.value in DEVICES and id(node) not in docstrings:
            house.device_names += [f"{where}:{node.lineno}"] if where not in DEVICE_ROOM else []


def _docstring_nodes(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the docstring."""
    body = node.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _is_settings_read(node: ast.Subscript) -> bool:
    """settings["key"] or context.settings["key"]."""
    named = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    return (
        named in ("settings", "recipe") and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    )


def longest_chain() -> list[str]:
    """The longest chain of the package's own calls, one within the other, in one evaluation from the command line."""
    from click.testing import CliRunner

    from dinobench.cli.main import main as command

    longest: list[str] = []

    def note_call(frame: FrameType | None, event: str, _argument: Any) -> None:
        chain = []
        while event == "call" and frame is not None:
            _, _, place = frame.f_code.co_filename.partition(f"{PACKAGE}/")
            chain += [f"{place}:{frame.f_code.co_name}"] if place and frame.f_code.co_name[0] != "<" else []
            frame = frame.f_back
        if len(chain) > len(longest):
            longest[:] = reversed(chain)

    with tempfile.TemporaryDirectory() as output:
        sys.setprofile(note_call)
        CliRunner().invoke(
            command,
            ["eval", "--task=knn", "--model=pixels", "--data=mini", f"--output={output}"],
            env={"DINOBENCH_CACHE": output},
        )
        sys.setprofile(None)
    return longest


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package", nargs="?", type=Path, default=Path("dinobench"))
    parser.add_argument("--list", action="store_true", help="Print the places too.")
    parser.add_argument("--hops", action="store_true", help="Run an evaluation and print its longest chain of calls.")
    arguments = parser.parse_args()
    if arguments.hops:
        chain = longest_chain()
        print(f"{len(chain)} calls", *chain, sep="\n    ")
        return
    house = measure(arguments.package)
    lengths = sorted(length for length, _ in house.functions)
    twice = {name: places for name, places in house.classes.items() if len(places) > 1}
    rows = {
        "lines": (house.lines, []),
        "lines of code, no blank lines and comments": (house.code_lines, []),
        f"files over {LONGEST_FILE} lines": (len(house.long_files), house.long_files),
        "functions": (len(lengths), []),
        "function length, median": (int(statistics.median(lengths)), []),
        "function length, 90th percentile": (lengths[int(0.9 * len(lengths))], []),
        "function length, longest": (
            lengths[-1],
            [f"{name} {length}" for length, name in house.functions if length > 60],
        ),
        "function names of one word, %": (round(100 * len(house.one_word) / len(lengths)), house.one_word),
        "class names that stand twice": (
            len(twice),
            [f"{name}: {', '.join(places)}" for name, places in twice.items()],
        ),
        "settings read by string": (len(house.string_reads), house.string_reads),
        "device names outside their room": (len(house.device_names), house.device_names),
    }
    for label, (value, places) in rows.items():
        print(f"{label:<46} {value}")
        if arguments.list:
            print("".join(f"    {place}\n" for place in places), end="")


if __name__ == "__main__":
    main()
