"""`dinobench inspect`: what a checkpoint is and how it would load."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinobench.cli.completion import model_names
from dinobench.cli.options import SETTINGS

if TYPE_CHECKING:
    from dinobench.models.loading.load_plan import LoadPlan
    from dinobench.models.loading.loaded import LoadedBackbone

SHOWN = 5
LOADS = "loads"


@click.command()
@click.argument("checkpoint", shell_complete=model_names)
@click.option("--json", "as_json", is_flag=True, help="The whole report, every tensor named, as JSON on stdout.")
@click.option("--all", "every", is_flag=True, help="Name every tensor in the table, too.")
@SETTINGS
def command(checkpoint: str, as_json: bool, every: bool, settings: tuple[str, ...]) -> None:
    """Say what CHECKPOINT (a file, run directory or card) is and how it would load; load nothing.

    \b
    dinobench inspect dino_deitsmall16_pretrain_full_checkpoint.pth
    dinobench inspect model.pth --set weights=student --set heads=6
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.runtime.settings import parse_pairs, resolve

    chosen = resolve(ModelSettings, parse_pairs(settings), "the model")
    path = _find_file(checkpoint, chosen.which)
    from dinobench.models.loading.checkpoint_file import plan_file  # after bad input: torch takes a second
    from dinobench.models.loading.onnx_file import from_onnx, is_onnx

    if is_onnx(path):
        facts = _program_as_dict(path, from_onnx(checkpoint, path, chosen))
    else:
        facts = _plan_as_dict(path, plan_file(path, chosen))
    facts["card"] = _card_note(path, facts["architecture"])
    if as_json:
        import json

        click.echo(json.dumps(facts, indent=2))
    else:
        _show(facts, SHOWN if not every else None)
    if facts["verdict"] != LOADS:
        raise click.exceptions.Exit(2)


def _find_file(spec: str, which: str) -> Path:
    """The file behind a path, a run directory or a card's name.

    Raises:
        InputError: there is none, or the name is a library's network, which has no file to look into.
    """
    from dinobench.cards import load_models
    from dinobench.models.loading.model_paths import checkpoint_path, is_path
    from dinobench.pipeline.model import ModelRequest, card_file, refuse_missing_model
    from dinobench.runtime.errors import InputError

    if not is_path(spec):
        raise InputError(f"{spec} has no file to look into; `dinobench eval` scores it as it is")
    cards, request = load_models(), ModelRequest(spec, {"which": which})
    refuse_missing_model(request, cards)
    return card_file(cards[spec], request) if spec in cards else checkpoint_path(spec, which)


def _card_note(path: Path, architecture: str) -> str:
    """For which published model `eval` would take the file; empty where for none."""
    from dinobench.cards import load_models
    from dinobench.pipeline.weights import recognize

    match = recognize(path, load_models().values())
    return match.note if match and (match.certain or match.card.architecture == architecture) else ""


def _plan_as_dict(path: Path, plan: LoadPlan) -> dict[str, Any]:
    from dataclasses import asdict

    from dinobench.models.loading.state_dict import digest
    from dinobench.runtime.files import sha256_file

    verdict = f"refused: {plan.report.refusal}" if plan.report.refusal else LOADS
    return {
        "file": str(path),
        "verdict": verdict,
        **asdict(plan.report),
        "preprocessing": asdict(plan.preprocessing),
        "sha256_file": sha256_file(path),
        "sha256_tensors": "" if plan.report.refusal else digest(plan.tensors),
    }


def _program_as_dict(path: Path, program: LoadedBackbone) -> dict[str, Any]:
    """What is known of an ONNX program, whose tensors are its own affair."""
    from dataclasses import asdict

    return {
        "file": str(path),
        "verdict": LOADS,
        "family": program.family,
        "title": "an ONNX program",
        "why": "its name ends in .onnx",
        "architecture": program.architecture,
        "preprocessing": asdict(program.preprocessing),
        "choices": [asdict(choice) for choice in program.choices],
        "sha256_file": program.file_sha256,
    }


def _show(facts: dict[str, Any], limit: int | None) -> None:
    preprocessing = facts["preprocessing"]
    lines = {
        "file": facts["file"],
        "verdict": facts["verdict"],
        "family": f"{facts['title']} ({facts['family']})",
        "why": facts["why"],
        "card": facts["card"],
        "layout": facts.get("layout", ""),
        "architecture": f"{facts['architecture']}, {facts['parameters']:,} parameters" if "parameters" in facts else "",
        "input": f"{preprocessing['size']} px from {preprocessing['resize']}, {preprocessing['interpolation']}, "
        f"mean {_join_by_slash(preprocessing['mean'])}, std {_join_by_slash(preprocessing['std'])}",
        "sha256 of the file": facts["sha256_file"],
        "sha256 of the tensors": facts.get("sha256_tensors"),
    }
    for name, value in lines.items():
        if value != "" and value is not None:
            click.echo(f"{name:<22} {value}")
    for choice in facts["choices"]:
        source = f" ({choice['source']})" if choice["source"] else ""
        click.echo(f"{'choice':<22} {choice['what']}: {choice['value']}{source}")
    if "matched" in facts:
        _show_tensors(facts, limit)


def _show_tensors(facts: dict[str, Any], limit: int | None) -> None:
    _print_entries("matched", {name: " + ".join(sources) for name, sources in facts["matched"].items()}, limit)
    _print_entries("changed", facts["changed"], limit)
    _print_by_reason("dropped", facts["dropped"], limit)
    _print_entries("missing", dict.fromkeys(facts["missing"], ""), None)
    _print_entries("do not fit", facts["mismatched"], None)
    _print_entries("unexpected", dict.fromkeys(facts["unexpected"], ""), None)
    _print_entries("pickled, not built", dict.fromkeys(facts["ignored"], ""), limit)


def _print_entries(title: str, entries: dict[str, str], limit: int | None) -> None:
    if not entries:
        return
    click.echo(f"{title:<22} {len(entries)}")
    for name, note in list(entries.items())[:limit]:
        click.echo(f"  {name}{'  <- ' if title == 'matched' else '  '}{note}".rstrip())
    if limit is not None and len(entries) > limit:
        click.echo(f"  and {len(entries) - limit} more")


def _print_by_reason(title: str, entries: dict[str, str], limit: int | None) -> None:
    """Many tensors are dropped for few reasons: count by reason."""
    if limit is None:
        _print_entries(title, entries, None)
        return
    click.echo(f"{title:<22} {len(entries)}")
    for reason, count in Counter(entries.values()).most_common():
        example = next(name for name, why in entries.items() if why == reason)
        click.echo(f"  {count} x {reason}, such as {example}")


def _join_by_slash(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:g}" for value in values)
