"""Every command and every block of README and docs runs, page by page and in order, shortened by settings.

A command that is not run is named in `NOT_RUN` with the reason; of `torchrun` lines what stands behind it runs, in one
process.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.runtime import plugins
from dinobench.runtime.plugins import plugin_names
from tests.docs.pages import PAGES, ROOT, Step, steps_of
from tests.docs.place import write_place, write_records, write_twins

NETWORK = "it needs the network"
CLUSTER = "it needs a cluster; tests/end_to_end/test_launchers.py runs jobs on this machine"
COMPILED = "it compiles for half a minute; tests/evaluators/test_compile.py compiles a part"
MEASURED = "it measures for 15 seconds; tests/pipeline/test_estimates.py does so"
INSTALLATION = "it installs; the gate does so, and benchmarks/road.py from the wheel"
RELEASED = "it needs released weights; tests/training/test_start.py begins from files of every family"
NOT_RUN = {
    "python -m venv env && . env/bin/activate": INSTALLATION,
    'pip install --constraint constraints.txt ".[cpu]"': INSTALLATION,
    "python benchmarks/table7.py --epochs 8": "it takes 40 minutes",
    'eval "$(_DINOBENCH_COMPLETE=bash_source dinobench)"': "it is the shell's; tests/cli/test_completion.py asks it",
    "dinobench eval --task knn --model checkpoint.pth --set compile=true": COMPILED,
    "dinobench train --data FOLDER --set init=dinov2_vits14": RELEASED,
    "dinobench train --data FOLDER --set init=dinov2_vits14 --output runs/mine": RELEASED,
    "dinobench eval --task knn --model checkpoint.pth --data photos --estimate": MEASURED,
    "dinobench train --data hf:NAME --set streaming=true": NETWORK,
    "dinobench train --data FOLDER --set precision=bf16 --set compile=true": "it needs a GPU",
    "dinobench train --data FOLDER --launcher slurm --resource nodes=2": CLUSTER,
    "dinobench train --recipe vits16-300ep --data path/to/imagenet --output runs/mine --launcher slurm "
    "--resource nodes=2 --resource gpus_per_node=8 --resource slurm_partition=gpu": CLUSTER,
    "dinobench reproduce --table 6 --data ROOT --launcher slurm --resource gres=gpu:1 "
    "--resource partition=gpu": CLUSTER,
    "dinobench reproduce --table 2 --models 'dino_*' --fetch --data ROOT --output results/paper": NETWORK,
    "dinobench reproduce --table 2,5 --devices cuda:0,cuda:1": "it needs GPUs",
}
TRAINING = (
    "--set epochs=1 --set warmup_epochs=0 --set batch_size=8 --set out_dim=64 --set head_hidden=32 "
    "--set head_bottleneck=16 --set architecture=vit_mini/16 --set global_size=32 --set local_size=16 "
    "--set local_crops=1 --set drop_path=0"
)
ITERATIONS = "--set iterations=2 --set warmup_iterations=1"
SHORTER = (
    (r"^train --data mini", "--dry-run"),
    (r"^train .*--data", TRAINING),
    (r"^train", f"--data photos {TRAINING}"),
    (r"^watch .*linear", "--set epochs=1 --set lrs=[0.01]"),
    (r"^reproduce", "--no-estimate"),
    (r"finetune-", "--set epochs=1 --set image_size=32 --set warmup_epochs=0"),
    (r"^eval --task (table2|linear)", "--set epochs=1 --set lrs=[0.01]"),
    (r"seg-voc12@dinov3", f"{ITERATIONS} --set image_size=64 --set window=64 --set stride=48"),
    (r"depth-", f"{ITERATIONS} --set image_size=32 --set crop_width=32 --set crop_height=32"),
    (r"^eval --task (spair|navi)", "--set grid=8"),
    (r"^eval --task ytvos", "--set image_size=48 --set pictures=false"),
    (r"^eval --task (seg-|discovery|davis@dinov3|label-free)", "--set image_size=48"),
)
"""What is added to a command of ours that matches: the first that does."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("furnished")
    write_place(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("DINOBENCH_CACHE", str(root / "cache"))
        write_records(root)
    return root


@pytest.fixture
def place(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory that holds what the pages name; it is the folder of data sets too."""
    here = tmp_path / "here"
    shutil.copytree(furnished, here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("DINOBENCH_DATA", str(here))
    monkeypatch.setenv("DINOBENCH_CACHE", str(here / "cache"))
    yield here
    plugins._own_modules.clear()
    plugin_names.cache_clear()


@pytest.mark.parametrize("page", [page for page in PAGES if list(steps_of(page))], ids=lambda page: page.name)
def test_what_a_page_says_runs(page: Path, place: Path) -> None:
    write_twins(place, page.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "__main__"}
    for step in steps_of(page):
        if step.file:
            _write(place / step.file, step)
        elif step.kind == "python":
            exec(compile(step.text, page.name, "exec"), names)
        else:
            assert step.kind == "command", f"{page.name} has a block of {step.kind} without the name of its file"
            _run(step)


def _write(path: Path, step: Step) -> None:
    path.parent.mkdir(exist_ok=True)
    before = path.read_text(encoding="utf-8") if step.more else ""
    path.write_text(before + step.text, encoding="utf-8")


def _run(step: Step) -> None:
    if step.text in NOT_RUN or step.text.startswith("for "):
        return
    if step.text.startswith("python benchmarks/"):
        _run_script(step.text)
        return
    assert step.arguments, f"{step.text} is neither run nor named in NOT_RUN"
    if (log := re.search(r"log=(\w+)", step.text)) and not find_spec(log[1]):
        return
    arguments = step.arguments.replace("$seed", "0")
    words = [name for word in shlex.split(arguments) for name in _expanded(word)]
    if words[0] == "train":
        shutil.rmtree("runs/mine", ignore_errors=True)
    if words[:2] == ["data", "make"]:
        shutil.rmtree(words[words.index("--output") + 1], ignore_errors=True)
    more = next((more for pattern, more in SHORTER if re.search(pattern, arguments)), "")
    done = CliRunner().invoke(main, _shortened(words, shlex.split(more)))
    if done.exit_code:
        why = [line for line in done.output.splitlines() if re.search("Error|FAILED|problem", line)]
        raise AssertionError(f"{step.text} ended with code {done.exit_code}: {why}") from done.exception


def _shortened(words: list[str], more: list[str]) -> list[str]:
    """The command with what is added, whose settings stand in the place of its own."""
    names = tuple(word.partition("=")[0] + "=" for word in more if "=" in word)
    replaced = {place for place, word in enumerate(words) if word.startswith(names) and words[place - 1] == "--set"}
    return [word for place, word in enumerate(words) if not {place, place + 1} & replaced] + more


def _expanded(word: str) -> list[str]:
    return sorted(path.name for path in Path().glob(word)) if word.startswith("*.") else [word]


def _run_script(command: str) -> None:
    _, script, *arguments = shlex.split(command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *arguments])
        runpy.run_path(str(ROOT / script), run_name="__main__")


def test_what_is_not_run_stands_on_a_page() -> None:
    said = {step.text for page in PAGES for step in steps_of(page)}
    assert NOT_RUN.keys() <= said
