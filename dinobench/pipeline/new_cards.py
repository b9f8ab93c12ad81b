"""Cards of the user's own, written with every field explained."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dinobench.cards import Protocol, TaskCard
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path, write_text_atomically
from dinobench.runtime.names import safe_name
from dinobench.runtime.settings import fields_of, toml_text

FREE_LAYOUT = "imagefolder"


def write_task(name: str, source: TaskCard, tasks_dir: Path, tables_dir: Path, known: Sequence[str]) -> list[Path]:
    """Write the card of a task of the user's own, and a table of its own that it fills.

    Args:
        name: of the task, its card and its table.
        source: the task that it begins as.
        tasks_dir: folder for the task's card.
        tables_dir: folder for the table's card and its CSV.
        known: names of tasks that there are.

    Returns:
        The files.

    Raises:
        InputError: a name that is taken or is not a name, or a file that is there.
    """
    _refuse_taken(name, "task", known)
    texts = {
        tasks_dir / f"{name}.toml": "\n".join(_task_lines(name, source)),
        tables_dir / f"table{name}.toml": "\n".join(_table_lines(name, source)),
        tables_dir / f"{name}.csv": "model,score\n",
    }
    return _write_all(texts)


def write_model(
    name: str, weights: str, facts: Mapping[str, Any], models_dir: Path, known: Sequence[str]
) -> list[Path]:
    """Write the card of a model of the user's own.

    Args:
        name: of the model and its card.
        weights: a checkpoint file, or an address.
        facts: values of the card's other fields that are known, such as its architecture.
        models_dir: folder for the card.
        known: names of models that there are.

    Raises:
        InputError: as `write_task`.
    """
    _refuse_taken(name, "model", known)
    if "://" not in weights:
        weights = Path(os.path.relpath(user_path(weights).resolve(), models_dir.resolve())).as_posix()
    return _write_all({models_dir / f"{name}.toml": "\n".join(_model_lines(name, weights, facts))})


def _refuse_taken(name: str, what: str, known: Sequence[str]) -> None:
    safe_name(name, f"new {what}")
    if name in known:
        raise InputError(f"there is a {what} {name} already; give another name")


def _write_all(texts: Mapping[Path, str]) -> list[Path]:
    for path in texts:
        if path.exists():
            raise InputError(f"{path} is there already; remove it or give another name")
    for path, text in texts.items():
        write_text_atomically(path, text if text.endswith("\n") else text + "\n")
    return list(texts)


def _task_lines(name: str, source: TaskCard) -> Iterator[str]:
    free = source.layout == FREE_LAYOUT
    protocol = source.protocol()
    yield f"# Task {name}: its own data and settings, begun as {source.name}. Every line may be changed."
    yield f"#   dinobench eval --task {name} --model MODEL --data FOLDER"
    yield f"#   dinobench tables --table {name}"
    yield _pair("title", f"{name}, begun as {source.name}", "one line for listings")
    yield _pair("evaluator", source.evaluator, "how it is scored; `dinobench tasks show` lists what each task uses")
    yield _pair("dataset", name if free else source.dataset, "folder below $DINOBENCH_DATA where --data is not given")
    yield _pair("layout", source.layout, "how the folder is laid out; imagefolder is {train,val}/<class>/*.jpg")
    yield _pair("main_metric", source.main_metric, "the figure of the table")
    yield _pair("source", "your own", "where the protocol is stated")
    yield _pair("default_protocol", protocol.name, "of the protocols below")
    yield "# What the benchmark's data are, by split, as a record shows them; a figure on other data is not comparable:"
    yield "# images = { train = 40, val = 20 }"
    yield '# digests = { train = "...", val = "..." }'
    yield "# classes = 4"
    yield "# usual_size = [375, 500] # height and width of most images; estimates without the data go by it"
    yield ""
    yield f"[[cells]] # the figure fills this column of tables/table{name}.toml"
    yield _pair("table", name)
    yield _pair("column", "score")
    yield _pair("metric", source.main_metric)
    yield from _protocol_lines(protocol, source)


def _protocol_lines(protocol: Protocol, source: TaskCard) -> Iterator[str]:
    yield ""
    yield f"[protocols.{protocol.name}]"
    yield "version = 1 # raise it when a setting changes: figures of two versions never share a cell"
    yield _pair("summary", protocol.summary)
    yield ""
    yield f"[protocols.{protocol.name}.settings] # those behind # have their default"
    for field in fields_of(source.settings_type).values():
        value = getattr(protocol.settings, field.name)
        if field.about.moves_figure:
            mark = "# " if value == field.default else ""
            yield f"{mark}{field.name} = {toml_text(value)} # {field.about.help}"


def _table_lines(name: str, source: TaskCard) -> Iterator[str]:
    yield f"# The table of task {name}; rows of {name}.csv stand above your own."
    yield _pair("title", f"Table {name}")
    yield _pair("caption", f"{name} ({source.main_metric})")
    yield _pair("source", "our own measurements")
    yield _pair("csv", f"{name}.csv")
    for kind, column, heading in (("text", "model", "Model"), ("figures", "score", source.main_metric)):
        yield ""
        yield f"[[{kind}]]"
        yield _pair("name", column)
        yield _pair("heading", heading)
    yield "decimals = 1"
    yield 'best = "max" # or "min", or "" where none is best'


def _model_lines(name: str, weights: str, facts: Mapping[str, Any]) -> Iterator[str]:
    known = {field: str(facts.get(field, "unknown")) for field in ("architecture", "family")}
    yield f"# Model {name}. Every line may be changed."
    yield f"#   dinobench eval --task knn --model {name} --data FOLDER"
    yield _pair("title", name, "one line for listings")
    yield _pair("method", name, "as tables print it")
    yield _pair("architecture", known["architecture"], "such as vit_small/16 or resnet50")
    yield _pair("family", known["family"], "whose way of naming tensors; `dinobench inspect` says it")
    yield _pair("source", "your own", "paper or address")
    yield _pair("license", "your own")
    yield _pair("weights", weights, "from this card's folder, or an address that `dinobench models fetch` can get")
    if digest := facts.get("sha256"):
        yield _pair("sha256", digest, "of that file; remove the line while the file still changes")
    yield ""
    yield "# A row of a published table that this model fills, as in tables/tableNAME.toml:"
    yield "# [[rows]]"
    yield '# table = "NAME"'
    yield f'# model = "{name}"'
    yield ""
    yield "# Settings of loading (dinobench eval --task knn --help-settings lists them):"
    yield "# [settings]"
    yield '# weights = "teacher"'


def _pair(key: str, value: str, comment: str = "") -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}" + (f" # {comment}" if comment else "")


def describe_checkpoint(weights: str) -> dict[str, Any]:
    """Architecture, family and digest of a checkpoint file; nothing of an address.

    Raises:
        InputError: the file is not there, or is not a checkpoint that loads.
    """
    if "://" in weights:
        return {}
    from dinobench.models.loading.model_paths import checkpoint_path

    path = checkpoint_path(weights, "last")
    from dinobench.models.loading.checkpoint_file import plan_file  # after bad input: torch takes seconds
    from dinobench.pipeline.weights import file_digest

    report = plan_file(path).report
    if report.refusal:
        raise InputError(f"{path} does not load: {report.refusal}; try it with `dinobench inspect`")
    return {"architecture": report.architecture, "family": report.family, "sha256": file_digest(path)}
