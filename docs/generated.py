"""Pages that mkdocs makes of the cards and the families: they say what the program does, since it reads the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dinobench.cards import Protocol, TaskCard, load_models, load_tasks
from dinobench.cli.settings_help import setting_lines
from dinobench.models.loading.family import Family, all_families
from dinobench.results.tables.cells import table_cells
from dinobench.results.tables.specs import load_tables
from dinobench.runtime.settings import fields_of, toml_text


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of the folder (an event of mkdocs)."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """Text of every generated page by its path."""
    tasks = load_tasks()
    found = {f"tasks/{name}.md": task_page(card) for name, card in tasks.items()}
    return found | {"tasks/index.md": tasks_page(tasks), "families.md": families_page()}


def tasks_page(tasks: dict[str, TaskCard]) -> str:
    """A table of all tasks."""
    lines = ["# Tasks", "", "| task | what | protocols | figure |", "| --- | --- | --- | --- |"]
    for name, card in tasks.items():
        protocols = ", ".join(f"`{each}`" for each in (card.default_protocol, *_others(card)))
        lines.append(f"| [`{name}`]({name}.md) | {_cell(card.title)} | {protocols} | `{card.main_metric}` |")
    return "\n".join((*lines, "", "The first protocol is the default; each page is made of the task's card.", ""))


def _others(card: TaskCard) -> list[str]:
    return [name for name in card.protocols if name != card.default_protocol]


def task_page(card: TaskCard) -> str:
    """One task: where it is from, its data, its protocols, its settings, its published figures."""
    lines = [f"# {card.title}", "", f"    dinobench eval --task {card.name} --model MODEL --data DATA", ""]
    lines += [f"Source: {card.source}.", "", f"The figure is `{card.main_metric}`. Data: `{card.dataset}`, as"]
    lines += [f"`dinobench data check {card.dataset}` expects them{_counts(card)}.", "", "## Protocols", ""]
    for protocol in card.protocols.values():
        lines += [*_protocol_lines(card, protocol), ""]
    lines += ["## Settings", "", "Each can be changed by `--set NAME=VALUE`; the values are the defaults.", ""]
    lines += ["```text"]
    lines += [line.strip() for line in setting_lines(card.settings_type())]
    return "\n".join([*lines, "```", "", *_published_lines(card)])


def _counts(card: TaskCard) -> str:
    counts = [f"{count:,} {split} images" for split, count in card.images.items()]
    counts += [f"{card.classes:,} classes"] if card.classes else []
    return f" ({', '.join(counts)})" if counts else ""


def _protocol_lines(card: TaskCard, protocol: Protocol) -> Iterator[str]:
    default = ", the default" if protocol.name == card.default_protocol else ""
    yield f"### `{card.name}@{protocol.name}`, version {protocol.version}{default}"
    yield ""
    yield f"{protocol.summary}." + ("" if protocol.comparable else f" Not comparable: {protocol.because}.")
    usual = card.settings_type()
    changed = [name for name in fields_of(card.settings_type) if _differs(protocol.settings, usual, name)]
    rows = [name for name in fields_of(card.settings_type) if name in changed or name in protocol.sources]
    if rows:
        yield from ("", "| setting | value | source |", "| --- | --- | --- |")
    for name in rows:
        value = toml_text(getattr(protocol.settings, name))
        yield f"| `{name}` | `{_cell(value)}` | {_cell(protocol.sources.get(name, ''))} |"


def _differs(settings: Any, usual: Any, name: str) -> bool:
    return bool(getattr(settings, name) != getattr(usual, name))


def _published_lines(card: TaskCard) -> Iterator[str]:
    """The published figures that this task measures, with the model cards of their rows."""
    models = load_models()
    cells = table_cells(load_tables().values(), load_tasks(), models)
    rows = [cell for cell in cells if cell.task == card.name and cell.published and cell.model]
    if rows:
        yield from ("## Published figures", "", "| model | table | metric | published |", "| --- | --- | --- | --- |")
    for cell in rows:
        title = _cell(models[cell.model].title)
        yield f"| `{cell.model}` ({title}) | {cell.table} | `{cell.metric}` of `{cell.job}` | {cell.published} |"


_FAMILIES = """\
`dinobench inspect FILE` says which family a file is of, and accounts for every tensor. Families are asked in this
order; the first whose signs are all found in the names of the tensors is taken, if one of its networks fits them.
`--set family=NAME` takes one without asking. This table is made of the families that the program asks."""


def families_page() -> str:
    """Every family of checkpoints and the signs by which it is told."""
    lines = ["# Families of checkpoints, and how each is told", ""]
    lines += [_FAMILIES, ""]
    lines += ["| family | is | signs in the names of tensors | networks |", "| --- | --- | --- | --- |"]
    lines += [_family_row(family) for family in all_families()]
    return "\n".join([*lines, ""])


def _family_row(family: Family) -> str:
    signs = " and ".join(f"`{_cell(sign)}`" for sign in family.signs) or "its network's own names"
    networks = ", ".join(dict.fromkeys(layout.name for layout in family.layouts))
    return f"| `{family.name}` | {_cell(family.title)} | {signs} | {_cell(networks)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
