"""Records made ready for a model's repository on the Hugging Face Hub, and pushed where the user says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.cards import load_tasks
from dinobench.results.bundle import copy_records, seal_bundle
from dinobench.results.frames import kept_values
from dinobench.results.hub_files import card_of_model, hub_dataset, refuse_repo_name, result_files
from dinobench.results.records import FAILED, RunRecord, read_record, record_paths
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import claim_folder, write_text_atomically
from dinobench.runtime.parquet_files import write_frame

if TYPE_CHECKING:
    import pandas as pd

BUNDLE = "dinobench"
"""Folder of the repository that holds the records themselves."""

PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True)
class Publication:
    """What a repository would get.

    Attributes:
        repo: name on the Hub.
        paths: of the records.
        texts: files for the Hub's own pages, by path in the repository.
        tables: how many records have a value of every image.
        nameless: tasks whose data have no name on the Hub, so that it shows no result of them.
        local_paths: places on this machine that the records name, and that everyone could read.
    """

    repo: str
    paths: tuple[Path, ...]
    texts: Mapping[str, str]
    tables: int
    nameless: tuple[str, ...]
    local_paths: tuple[str, ...]


def plan_publication(
    targets: Sequence[Path],
    repo: str,
    model: str = "",
    datasets: Mapping[str, str] | None = None,
    *,
    tasks_dir: Path | None = None,
) -> Publication:
    """What publishing would write, without writing it.

    Args:
        targets: records, or folders of them; failed ones are left out.
        repo: OWNER/NAME on the Hub.
        model: of this model alone, by its name in the records.
        datasets: name of the data set on the Hub by task, where the task's card has none.
        tasks_dir: folder with further task cards.

    Raises:
        InputError: no record, a broken one, records of several networks, or a name that is none on the Hub.
    """
    refuse_repo_name(repo)
    tasks, named = load_tasks(tasks_dir), datasets or {}
    found = {path: record for path in _record_paths(targets) if _is_of(record := read_record(path), model)}
    if not found:
        raise InputError(f"there is nothing to publish in {', '.join(map(str, targets))}; score the model first")
    records = list(found.values())
    _refuse_several_models(records)
    texts = result_files(records, tasks, named)
    texts["README.md"] = str(card_of_model(records, tasks, named, repo))
    tables = sum(_frame_of(path) is not None for path in found)
    nameless = {record.task for record in records if not hub_dataset(record, tasks, named)}
    return Publication(repo, tuple(found), texts, tables, tuple(sorted(nameless)), _local_paths(records))


def write_publication(publication: Publication, output: Path) -> Path:
    """Write the repository's files below `output`; return the bundle's folder, which `dinobench verify` accepts.

    Raises:
        InputError: `output` holds files already, or a file of a record has gone.
    """
    claim_folder(output)
    bundle = output / BUNDLE
    copy_records(publication.paths, bundle)
    frames = [frame for path in publication.paths if (frame := _frame_of(path)) is not None]
    if frames:
        import pandas as pd

        write_frame(pd.concat(frames, ignore_index=True), bundle / PREDICTIONS)
    for name, text in publication.texts.items():
        write_text_atomically(output / name, text)
    seal_bundle(bundle)
    return bundle


def push_publication(publication: Publication, output: Path) -> str:
    """Upload what `write_publication` wrote and add the results to the model's card; return the page's address.

    Raises:
        InputError: the Hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi, ModelCard, metadata_update

    about: Any = ModelCard(publication.texts["README.md"]).data
    try:
        HfApi().create_repo(publication.repo, exist_ok=True)
        HfApi().upload_folder(
            repo_id=publication.repo,
            folder_path=output,
            ignore_patterns=["README.md"],
            commit_message="Results measured by dinobench",
        )
        metadata_update(publication.repo, about.to_dict(), overwrite=True)
    except Exception as error:  # the hub client raises its own, httpx's and OS errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot push to {publication.repo}: {reason}; log in by `hf auth login`") from error
    return f"https://huggingface.co/{publication.repo}"


def _record_paths(targets: Sequence[Path]) -> list[Path]:
    paths: list[Path] = []
    for target in targets:
        paths += record_paths(target) if target.is_dir() else [target]
    return [path for path in paths if not path.name.endswith(FAILED)]


def _is_of(record: RunRecord, model: str) -> bool:
    return record.value is not None and model in ("", record.model.name)


def _refuse_several_models(records: Sequence[RunRecord]) -> None:
    names = {record.model.sha256: record.model.name for record in records}
    if len(names) > 1:
        raise InputError(
            f"the records are of {len(names)} networks ({', '.join(sorted(names.values()))}); a repository holds one: "
            "choose by --model NAME"
        )


def _local_paths(records: Sequence[RunRecord]) -> tuple[str, ...]:
    named = {text for record in records for text in (record.model.source, record.model.spec, record.data.spec)}
    return tuple(sorted(text for text in named if Path(text).is_absolute()))


def _frame_of(path: Path) -> pd.DataFrame | None:
    """A record's values of every image, with the task in front; None where it keeps none."""
    try:
        frame = kept_values(path, ("image", "value"), "values")
    except InputError:
        return None
    frame = frame[[name for name in ("image", "label", "predicted", "value") if name in frame]]
    record = read_record(path)
    for name, value in (("record", path.stem), ("protocol", record.protocol.name), ("task", record.task)):
        frame.insert(0, name, value)
    return frame
