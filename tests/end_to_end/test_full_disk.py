"""Commands whose files outgrow what may be written: one line, exit code 2, the earlier file and no other left."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from dinobench.cli.main import main
from dinobench.results.records import RecordStore
from tests.results.factory import make_record

EXPORT = ["features", "export", "--model", "pixels", "--data", "digits", "--output"]
MARKED = "<!doctype html><title>dinobench report</title>"  # an earlier report of ours, which may be replaced
COMMANDS = {
    "features.npy": [*EXPORT, "features.npy"],
    "features.safetensors": [*EXPORT, "features.safetensors"],
    "features.parquet": [*EXPORT, "features.parquet"],
    "table.md": ["tables", "--results", "records", "--output", "table.md"],
    "table.csv": ["tables", "--results", "records", "--format", "csv", "--output", "table.csv"],
    "records.csv": ["records", "export", "--results", "records", "--output", "records.csv"],
    "records.parquet": [
        "records",
        "export",
        "--results",
        "records",
        "--format",
        "parquet",
        "--output",
        "records.parquet",
    ],
    "report/index.html": ["report", "--results", "records", "--output", "report"],
    "maps/photo/overlay.png": ["attention", "photo.png", "--model", "random:vit_mini/4", "--output", "maps"],
    "data/x": ["data", "make", "copydays", "--output", "data/made"],
}


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Within, no file can be written beyond `size` bytes: the error that the system raises is a true one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    RecordStore(tmp_path / "records").add(make_record())
    Image.effect_noise((32, 32), 90).convert("RGB").save("photo.png")
    return tmp_path


@pytest.mark.parametrize("earlier", COMMANDS)
def test_a_file_that_cannot_be_written_whole_leaves_the_earlier_one(earlier: str, here: Path) -> None:
    (here / earlier).parent.mkdir(parents=True, exist_ok=True)
    content = MARKED if earlier.endswith(".html") else "as it was"
    (here / earlier).write_text(content)
    with at_most(100):
        done = CliRunner().invoke(main, COMMANDS[earlier])
    assert done.exit_code == 2, (done.output, done.exception)
    (line,) = [line for line in done.output.splitlines() if line.startswith("Error: ")]
    assert "cannot write" in line
    assert (here / earlier).read_text() == content
    assert not list(here.rglob("*.tmp"))
