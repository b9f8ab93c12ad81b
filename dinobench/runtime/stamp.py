"""The environment stamp of a record: enough to tell two runs apart."""

from __future__ import annotations

import datetime
import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    "dinobench",
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "numpy",
    "scipy",
    "scikit-learn",
    "faiss-cpu",
    "faiss-gpu",
    "pillow",
    "opencv-python-headless",
    "datasets",
)


def package_versions() -> dict[str, str]:
    """Versions of the packages that can move a figure; absent ones are left out."""
    return {name: version for name in _PACKAGES if (version := _package_version(name))}


def _package_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def git_commit() -> str | None:
    """Commit of the checkout that holds this package, with "+changes" where it is dirty; None outside one."""
    here = Path(__file__).parent
    commit = _run_git(here, "rev-parse", "HEAD")
    if commit is None:
        return None
    return f"{commit}+changes" if _run_git(here, "status", "--porcelain", "--untracked-files=no") else commit


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@functools.cache
def cpu_model() -> str:
    """The CPU's name, such as "AMD EPYC 9554"; the machine's kind where the system does not tell it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def environment() -> dict[str, object]:
    """Python, platform, processor, package versions and git commit."""
    from dinobench.runtime.device import accelerator_versions  # which loads torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": {"cpu": cpu_model(), **accelerator_versions()},
        "packages": package_versions(),
        "git_commit": git_commit(),
    }


def current_time() -> str:
    """The current time in UTC, ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
