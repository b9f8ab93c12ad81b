"""Which tasks and protocols a user means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dinobench.cards import Protocol, TaskCard
from dinobench.runtime.suggest import unknown


def select_tasks(
    names: str, tasks: Mapping[str, TaskCard], protocol: str | None = None
) -> list[tuple[TaskCard, Protocol]]:
    """The cards behind NAME[@PROTOCOL][,...], a group's name, or "all"; each once, in the order given.

    A table's group runs each task by the protocol of the published figure.

    Args:
        names: as above.
        tasks: to choose from.
        protocol: of the tasks named without one: a name, which in a group holds for the tasks that have it, or
            TASK=NAME[,TASK=NAME...]; by default each card's own choice.

    Raises:
        InputError: a name that is neither a task nor a group, or a protocol that no chosen task has.
    """
    chosen: dict[tuple[str, str], tuple[TaskCard, Protocol]] = {}
    wanted = _protocols_by_task(protocol or "", tasks)
    for part in names.split(","):
        name, _, own = part.strip().partition("@")
        members = [card for card in tasks.values() if name in (card.name, "all") or name in card.groups]
        if not members:
            groups = {group for card in tasks.values() for group in card.groups}
            raise unknown("task", name, {*tasks, *groups, "all"})
        for_all = own or wanted.get("", "")
        if len(members) > 1 and for_all and not any(for_all in card.protocols for card in members):
            known = {key for card in members for key in card.protocols}
            raise unknown(f"protocol of the tasks of {name}", for_all, known)
        for card in members:
            asked = wanted.get(card.name, for_all)
            if len(members) > 1 and asked not in card.protocols:
                asked = ""
            used = card.protocol(asked or card.published_protocol(name))
            chosen[card.name, used.name] = card, used
    return list(chosen.values())


SHORTER = ("cached", "quick")
"""Names of protocols that take minutes where a task's own takes hours or days."""


def shorter_protocols(chosen: Iterable[tuple[TaskCard, Protocol]]) -> list[str]:
    """A line for each chosen task whose card has a shorter protocol than the chosen one."""
    return [
        f"{card.name}@{used.name} may take long; shorter: {card.name}@{name} ({card.protocols[name].summary})"
        for card, used in chosen
        if used.name not in SHORTER
        for name in SHORTER
        if name in card.protocols
    ]


def _protocols_by_task(text: str, tasks: Mapping[str, TaskCard]) -> dict[str, str]:
    """{"knn": "paper"} from "knn=paper"; {"": "paper"} from "paper"."""
    if "=" not in text:
        return {"": text}
    pairs = dict(part.strip().split("=", 1) for part in text.split(",") if "=" in part)
    for name in pairs:
        if name not in tasks:
            raise unknown("task", name, tasks)
    return pairs
