from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.metrics.bootstrap import accuracy_interval
from dinobench.results.records import RecordStore, content_digest
from dinobench.results.verify import verify_record
from dinobench.runtime.parquet_files import write_columns
from tests.results.factory import make_record

VALUES = [int(number % 3 != 0) for number in range(60)]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A record whose figure is the mean of the values that it kept."""
    file = tmp_path / "files" / "run" / "predictions.csv"
    file.parent.mkdir(parents=True)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([("image", "value"), *((f"{n}.jpg", value) for n, value in enumerate(VALUES))])
    figure = 100 * sum(VALUES) / len(VALUES)
    record = make_record(
        metrics={"top1": figure}, intervals={"top1": accuracy_interval(VALUES)}, files=("files/run/predictions.csv",)
    )
    return RecordStore(tmp_path).add(record)


def test_a_sound_bundle_is_sound_and_its_figure_computed_again(bundle: Path) -> None:
    found = verify_record(bundle)
    assert (found.problems, found.files, found.recomputed) == ((), 1, ("top1",))
    done = CliRunner().invoke(main, ["verify", str(bundle.parent)])
    assert (done.exit_code, "sound  1 files, computed again: top1" in done.output) == (0, True)


def test_a_thousand_changes_are_all_found(bundle: Path) -> None:
    """One byte of the record or of a kept file, changed to another that leaves JSON or CSV as they are or not."""
    rng = random.Random(0)
    files = [bundle, bundle.parent / "files" / "run" / "predictions.csv"]
    whole = {file: file.read_bytes() for file in files}
    missed = 0
    for _ in range(1000):
        file = rng.choice(files)
        content = bytearray(whole[file])
        places = [place for place, byte in enumerate(content) if chr(byte).isalnum()]
        place = rng.choice(places)
        content[place] = rng.choice([byte for byte in b"0123456789abcdef" if byte != content[place]])
        file.write_bytes(bytes(content))
        missed += not verify_record(bundle).problems
        file.write_bytes(whole[file])
    assert missed == 0


def test_a_seal_made_again_does_not_hide_a_changed_figure(bundle: Path) -> None:
    raw = json.loads(bundle.read_text())
    raw["metrics"]["top1"] = 99.0
    raw["seal"] = content_digest(json.dumps(raw))
    bundle.write_text(json.dumps(raw))
    (problem,) = verify_record(bundle).problems
    assert "no figure of the record is the mean of the values" in problem


def test_what_is_missing_or_no_record_is_said(bundle: Path, tmp_path: Path) -> None:
    (bundle.parent / "files" / "run" / "predictions.csv").unlink()
    assert verify_record(bundle).problems == (f"files/run/predictions.csv is not a file below {bundle.parent}",)
    done = CliRunner().invoke(main, ["verify", str(bundle.parent)])
    assert (done.exit_code, "NOT SOUND" in done.output) == (1, True)
    (tmp_path / "empty").mkdir()
    nothing = CliRunner().invoke(main, ["verify", str(tmp_path / "empty")])
    assert (nothing.exit_code, "there is no record in" in nothing.output) == (2, True)


def test_a_kept_file_without_its_columns_is_one_line(bundle: Path) -> None:
    file = bundle.parent / "files" / "run" / "predictions.parquet"
    write_columns(file, {"image": ["a"], "top1": ["right"]})
    record = make_record(metrics={"top1": 100.0}, files=("files/run/predictions.parquet",))
    (problem,) = verify_record(RecordStore(bundle.parent).add(record)).problems
    assert "does not hold what knn keeps there" in problem
    write_columns(file, {"image": ["a", "b"], "top1": [100.0, 0.0]})
    (problem,) = verify_record(RecordStore(bundle.parent).add(record)).problems
    assert problem == "top1 is 100.0, computed again from files/run/predictions.parquet 50"


def test_a_figure_that_nothing_kept_gives_is_named(bundle: Path) -> None:
    raw = json.loads(bundle.read_text())
    record = make_record(**{**raw, "metrics": {**raw["metrics"], "top5": 99.0}})
    (note,) = verify_record(RecordStore(bundle.parent).add(record)).notes
    assert note == "not computed again, since nothing kept gives them: top5"
