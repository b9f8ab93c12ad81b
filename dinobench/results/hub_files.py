"""What a model's page on the Hugging Face Hub shows of records: `.eval_results/*.yaml` and the card's metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dinobench.cards import TaskCard
from dinobench.results.records import RunRecord
from dinobench.runtime.errors import InputError

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

_KINDS = {
    "knn": "image-classification",
    "linear": "image-classification",
    "logistic": "image-classification",
    "finetune": "image-classification",
    "video_segmentation": "image-segmentation",
    "attention_segmentation": "image-segmentation",
}
_OTHER = "image-feature-extraction"  # the Hub's word for a network that is asked for descriptors


def refuse_repo_name(name: str) -> None:
    """InputError where `name` can be no repository of the Hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise InputError(f"--model-repo {name!r:.80} is not a name on the Hub ({error}); give OWNER/NAME") from error


def hub_dataset(record: RunRecord, tasks: Mapping[str, TaskCard], named: Mapping[str, str]) -> str:
    """The Hub's name of a record's data; "" where it is not known or the data are not the benchmark's.

    Args:
        record: with the data.
        tasks: whose cards name their data set on the Hub.
        named: what the user says, by task.
    """
    if record.task in named:
        return named[record.task]
    if record.data.spec.startswith("hf:"):
        return "/".join(record.data.spec.removeprefix("hf:").split("/")[:2])
    card = tasks.get(record.task)
    whole = card is not None and not card.differences(record.images, [s.classes for s in record.data.splits.values()])
    return card.hub_dataset if card and whole else ""


def result_files(
    records: Sequence[RunRecord], tasks: Mapping[str, TaskCard], named: Mapping[str, str]
) -> dict[str, str]:
    """The Hub's `.eval_results` files as text by path, one a task, for records whose data have a name on the Hub.

    Raises:
        InputError: the installed huggingface_hub does not know this format yet.
    """
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    except ImportError as error:
        raise InputError("results for the Hub need a newer huggingface_hub; pip install -U huggingface_hub") from error
    entries: dict[str, list[Any]] = {}
    for record in records:
        if dataset := hub_dataset(record, tasks, named):
            entry = EvalResultEntry(
                dataset_id=dataset, task_id=record.task, value=record.value, date=record.date, notes=_notes_on(record)
            )
            entries.setdefault(f".eval_results/{record.task}.yaml", []).append(entry)
    return {path: _to_yaml(eval_result_entries_to_yaml(found)) for path, found in entries.items()}


def _to_yaml(value: Any) -> str:
    import yaml  # huggingface_hub's own dependency

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _notes_on(record: RunRecord) -> str:
    """One line: what the figure is, and whether it may stand beside the paper's."""
    bounds = record.intervals.get(record.main_metric)
    interval = f", 95% interval {bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else ""
    verdict = "comparable with the paper" if record.comparable else f"not comparable: {'; '.join(record.because)}"
    return f"dinobench {record.task}@{record.protocol.name}, {record.main_metric}{interval}; {verdict}"


def card_of_model(
    records: Sequence[RunRecord], tasks: Mapping[str, TaskCard], named: Mapping[str, str], repo: str
) -> ModelCard:
    """A model card with one result per record in its metadata, and a table of them below."""
    from huggingface_hub import ModelCard, ModelCardData

    results = [_eval_result(record, tasks, named) for record in records]
    data = ModelCardData(
        model_name=repo.rpartition("/")[2], eval_results=results, tags=["dinobench"], ignore_metadata_errors=False
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_card_text(records)}")


def _eval_result(record: RunRecord, tasks: Mapping[str, TaskCard], named: Mapping[str, str]) -> EvalResult:
    from huggingface_hub import EvalResult

    card = tasks.get(record.task)
    return EvalResult(
        task_type=_KINDS.get(card.evaluator, _OTHER) if card else _OTHER,
        task_name=card.title if card else record.task,
        dataset_type=hub_dataset(record, tasks, named) or record.data_name,
        dataset_name=record.data_name,
        metric_type=record.main_metric,
        metric_name=f"{record.task}@{record.protocol.name} {record.main_metric}",
        metric_value=record.value,
        dataset_args={"digest": record.data_digest},
    )


def _card_text(records: Sequence[RunRecord]) -> str:
    lines = ["# Results", "", "| task | data | metric | value | 95% interval |", "| --- | --- | --- | --- | --- |"]
    for record in records:
        bounds = record.intervals.get(record.main_metric)
        interval = f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else ""
        cells = f"{record.task}@{record.protocol.name}", record.data_name, record.main_metric, f"{record.value:.2f}"
        lines.append("| " + " | ".join((*(_plain_cell(cell) for cell in cells), interval)) + " |")
    lines += ["", "Measured by dinobench. `dinobench verify dinobench` checks the records in the folder `dinobench`."]
    return "\n".join(lines) + "\n"


def _plain_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
