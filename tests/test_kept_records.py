"""The records of trained checkpoints that are kept in the repository are sound, and the README says what they say."""

from __future__ import annotations

from pathlib import Path

from dinobench.results.records import RecordStore, record_paths
from dinobench.results.verify import verify_record

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "results" / "imagenette"
PLACES = {"linear": "Linear", "knn": "k-NN"}


def test_every_record_is_sound_and_its_figures_computed_again() -> None:
    for path in record_paths(FOLDER):
        found = verify_record(path)
        assert not found.problems, path.name
        assert found.recomputed, path.name


def test_the_readme_states_the_recorded_figures() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    heading = next(line for line in lines if line.startswith("| model | Param. (M) | im/s | Linear | k-NN |"))
    columns = [cell.strip() for cell in heading.strip("|").split("|")]
    stated = {
        line.split("`")[1]: dict(zip(columns, map(str.strip, line.strip("|").split("|")), strict=True))
        for line in lines
        if line.startswith("| `mine_")
    }
    records = [record for record in RecordStore(FOLDER) if record.task in PLACES]
    assert len(records) == 2 * len(stated) == 6
    for record in records:
        low, high = record.intervals[record.main_metric]
        text = f"{record.value:.1f} ({low:.1f} to {high:.1f})"
        assert stated[record.model.name][PLACES[record.task]] == text
