"""What a machine was measured to need for a network's work, kept in the cache so that it is measured once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from dinobench.evaluators.common.costs import Loading, NetworkShape
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_text, write_text_atomically
from dinobench.runtime.stamp import cpu_model

_VERSION = 1  # of what is measured


@dataclass(frozen=True)
class WorkTime:
    """One kind of work.

    Attributes:
        seconds: an image takes.
        cpu: seconds of all cores that an image takes.
        memory: bytes of the process while a whole batch is worked on.
    """

    seconds: float
    cpu: float
    memory: int


@dataclass
class Measured:
    """One network on one machine.

    Attributes:
        network: its shape; None before the first measurement.
        setup, setup_cpu: seconds until it is loaded, from the start of the program.
        memory: bytes of the process then.
        rate, cpu_rate: operations a second, and a CPU second, of a classifier's products in float32.
        works: by the key of a `Work`.
        loadings: CPU seconds of an image, by data and the key of a `Loading`.
    """

    network: NetworkShape | None = None
    setup: float = 0.0
    setup_cpu: float = 0.0
    memory: int = 0
    rate: float = 0.0
    cpu_rate: float = 0.0
    works: dict[str, WorkTime] = field(default_factory=dict)
    loadings: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Measured:
        """What `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: it did not.
        """
        content: dict[str, Any] = json.loads(text)
        content["network"] = content["network"] and NetworkShape(**content["network"])
        content["works"] = {key: WorkTime(**each) for key, each in content["works"].items()}
        return cls(**content)


def loading_key(data: str, loading: Loading) -> str:
    """Name of a way to read some data among measurements; "" stands for drawn images."""
    return f"{data}: {loading.key}"


def kept_in(about: Mapping[str, Any]) -> Path:
    """The file of what was measured for a network: of this machine, this torch, and what `about` says."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    variables = {name: os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
    machine = [_VERSION, cpu_model(), len(cores), metadata.version("torch"), variables]
    digest = hashlib.sha256(json.dumps([machine, about], sort_keys=True, default=str).encode()).hexdigest()[:20]
    return cache_folder("probes") / f"{digest}.json"


def load_measured(path: Path) -> Measured:
    """What a file holds; nothing where it is not there or another program wrote it."""
    if not path.is_file():
        return Measured()
    try:
        return Measured.from_json(read_text(path))
    except (InputError, ValueError, TypeError, KeyError, AttributeError):
        return Measured()


def save_measured(path: Path, measured: Measured) -> None:
    """Keep it for the next time; InputError where the cache cannot be written."""
    write_text_atomically(path, measured.to_json())
