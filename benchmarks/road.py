"""A stranger's road, walked from the wheel in a clean environment outside the checkout; writes docs/road.md.

    python benchmarks/road.py --pictures imagenette/train --checkpoint runs/mine/best.pth --write

Builds the wheel, makes an environment, and runs every step of `STEPS` in an empty working directory, stopping at the
first that fails. To spare the download of torch, the environment sees the packages of the one that runs this script,
by a .pth file, but not the checkout; the wheel, and what runs the notebook, are installed by pip.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLASSES, OF_EACH = 4, 15
SHOWN = 24  # lines of a step's output that the page shows


@dataclass(frozen=True)
class Step:
    """A command as a user types it, and what it is for; `needs` is a program without which it is left out."""

    why: str
    command: str
    needs: str = ""


ALL = "--set leave_one_out=true --set train_split=all"
UNTRAINED = "random:vit_tiny/16"
COMPILE = "pdflatex -interaction=nonstopmode -halt-on-error page.tex"
STEPS = (
    Step("What is this file, and how would it load?", "dinobench inspect checkpoint.pth"),
    Step("Which data are these?", "dinobench data check photos"),
    Step("How long will it take?", "dinobench eval --task knn --model checkpoint.pth --data photos --estimate"),
    Step("Score it.", "dinobench eval --task knn --model checkpoint.pth --data photos --name ours"),
    Step(
        "The same weights from safetensors: the same figure.",
        "dinobench eval --task knn --model weights.safetensors --data photos --name ours",
    ),
    Step(
        "And from a Lightning checkpoint.", "dinobench eval --task knn --model lightning.ckpt --data photos --name ours"
    ),
    Step(
        "Few pictures: all of them, each classified by the others.",
        f"dinobench eval --task knn --model checkpoint.pth --data photos --name ours {ALL}",
    ),
    Step("A second model, to compare with.", f"dinobench eval --task knn --model pixels --data photos {ALL}"),
    Step("Is the difference more than chance?", "dinobench compare ours pixels"),
    Step("The paper's table, with ours.", "dinobench tables --table 2 --rows ours"),
    Step(
        "The same for a paper of one's own.", "dinobench tables --table 2 --rows ours --format latex --output table.tex"
    ),
    Step("It compiles.", COMPILE, needs="pdflatex"),
    Step("Where does the class token look?", "dinobench attention photo.jpg --model checkpoint.pth --output attention"),
    Step("A task of one's own.", "dinobench tasks new birds --from knn"),
    Step("A model of one's own.", "dinobench models new ours-v1 --weights checkpoint.pth"),
    Step("Both together.", "dinobench eval --task birds --model ours-v1 --data photos"),
    Step("Their table.", "dinobench tables --table birds"),
    Step("The notebook runs.", "jupyter execute quickstart.ipynb"),
    Step("Everything on one page.", "dinobench report --output report"),
)
PREPARE = """
import sys, torch
from pathlib import Path
from safetensors.torch import save_file
import dinobench
network = dinobench.load_backbone(sys.argv[1]).backbone.state_dict()
torch.save({"teacher": {f"module.backbone.{name}": value for name, value in network.items()}}, "checkpoint.pth")
save_file({name: value.contiguous() for name, value in network.items()}, "weights.safetensors")
torch.save({"state_dict": {f"model.{name}": value for name, value in network.items()}}, "lightning.ckpt")
"""
PAGE = r"""\documentclass{article}
\usepackage{array,booktabs,longtable,siunitx}
\begin{document}
\input{table}
\end{document}
"""
PREAMBLE = """# A stranger's road

Written by `python benchmarks/road.py`: the wheel is built and installed into a clean environment outside the checkout,
and each command below runs in one empty folder, none failing. The environment sees torch and the other base packages of
the one that ran the script, which spares their download; dinobench comes from the wheel alone. Most of what a short
command takes is the import of torch.

Her checkpoint is {network}.
It lies there as DINO saves it (`checkpoint.pth`), as safetensors and as Lightning saves it; her data are
{pictures}.

| step | CPU seconds |
|---|---|
"""


def main() -> None:
    """Walk the road; write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="class folders to take pictures from; by default drawn ones")
    parser.add_argument("--checkpoint", default="", help="trained weights; by default an untrained ViT-Ti/16 is drawn")
    parser.add_argument("--about", default="a trained network", help="what the checkpoint is, for the page")
    parser.add_argument("--write", action="store_true", help="write docs/road.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        weights = str(Path(options.checkpoint).resolve()) if options.checkpoint else UNTRAINED
        page = _walk(Path(place), options.pictures, weights, options.about)
    if options.write:
        (ROOT / "docs" / "road.md").write_text(page, encoding="utf-8")


def _walk(place: Path, pictures: Path | None, weights: str, about: str) -> str:
    environment = _clean_environment(place)
    work = place / "work"
    work.mkdir()
    said = _prepare(work, environment, pictures, weights)
    rows, parts = [], []
    for step in STEPS:
        if step.needs and shutil.which(step.needs) is None:
            parts.append(f"## {step.why}\n\nLeft out: `{step.needs}` is not installed here.\n")
            continue
        start = _child_seconds()
        output = _run(step.command.split(), work, environment)
        rows.append(f"| `{step.command}` | {_child_seconds() - start:.1f} |")
        parts.append(f"## {step.why}\n\n    {step.command}\n\n```text\n{_shortened(output, place)}\n```\n")
        print(rows[-1], flush=True)
    network = "an untrained ViT-Ti/16, whose figures are not meant to be good" if weights == UNTRAINED else about
    return PREAMBLE.format(pictures=said, network=network) + "\n".join(rows) + "\n\n" + "\n".join(parts)


def _child_seconds() -> float:
    """CPU seconds of all programs that this one ran to their end: other programs on the machine do not move them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _clean_environment(place: Path) -> dict[str, str]:
    """An environment with the wheel installed; the variables under which its programs run."""
    wheels, env = place / "wheels", place / "env"
    plain = {**os.environ, "PYTHONPATH": "", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    pip = [str(env / "bin" / "python"), "-m", "pip", "--quiet"]
    _run(
        [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)],
        place,
        plain,
    )
    _run([sys.executable, "-m", "venv", str(env)], place, plain)
    (wheel,) = wheels.glob("*.whl")
    site = next((env / "lib").glob("python*/site-packages"))
    (site / "base.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    _run([*pip, "install", "--no-deps", "--force-reinstall", str(wheel)], place, plain)
    _run([*pip, "install", "ipykernel", "nbclient"], place, plain)
    home = {"DINOBENCH_CACHE": str(place / "cache"), "HOME": str(place), "IPYTHONDIR": str(place / "ipython")}
    path = f"{env / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**plain, **home, "PATH": path, "VIRTUAL_ENV": str(env)}


def _prepare(work: Path, environment: dict[str, str], pictures: Path | None, weights: str) -> str:
    """Her files: three checkpoints, 60 pictures, a photo, the notebook and a LaTeX page; says what the pictures are."""
    where = _run(["python", "-c", "import dinobench; print(dinobench.__file__)"], work, environment)
    assert str(ROOT) not in where, f"the checkout is seen: {where}"
    _run(["python", "-c", PREPARE, weights], work, environment)
    shutil.copy(ROOT / "examples" / "quickstart.ipynb", work)
    (work / "page.tex").write_text(PAGE)
    for number, (kind, picture) in enumerate(_pictures(work, environment, pictures)):
        target = work / "photos" / kind / f"{number}{picture.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)
    first = min(path for path in (work / "photos").rglob("*") if path.is_file())
    shutil.copy(first, work / "photo.jpg")
    kind = "photographs of Imagenette" if pictures else "drawn pictures"
    return f"{CLASSES * OF_EACH} {kind} in {CLASSES} class folders, without `train/` and `val/`"


def _pictures(work: Path, environment: dict[str, str], pictures: Path | None) -> Iterator[tuple[str, Path]]:
    if pictures is None:
        _run(["dinobench", "data", "make", "imagenet", "--output", "drawn"], work, environment)
        pictures = work / "drawn" / "train"
    for folder in sorted(path for path in pictures.iterdir() if path.is_dir())[:CLASSES]:
        for picture in sorted(folder.iterdir())[:OF_EACH]:
            yield folder.name, picture


def _run(command: list[str], place: Path, environment: dict[str, str]) -> str:
    """What a command prints; the script ends where it fails."""
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {done.returncode}:\n{output}")
    return output


def _shortened(output: str, place: Path) -> str:
    """The first lines, without the place where they ran, moving bars and long blanks."""
    text = output.replace(str(place / "work"), ".").replace(str(place), "..")
    lines = [re.sub(r" {60,}", " ", line.rpartition("\r")[2]).rstrip() for line in text.splitlines()]
    kept = [line for line in lines if line and "IPKernelApp" not in line]
    more = [f"... and {len(kept) - SHOWN} lines more"] if len(kept) > SHOWN else []
    return "\n".join([*kept[:SHOWN], *more])


if __name__ == "__main__":
    main()
