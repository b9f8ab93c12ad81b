"""Rankings that other tools wrote, scored as our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.layouts import copydays
from dinobench.data.layouts.revisitop import GROUPS, read_ground_truth
from dinobench.evaluators.base import Scores
from dinobench.evaluators.copy_detection.evaluate import score_block
from dinobench.evaluators.retrieval.evaluate import score_positions, split_groups
from dinobench.metrics.ranking import Positions, positions_in_list
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe

Ids = NDArray[np.int64]


def score_retrieval_file(ranks: Path, ground_truth: Path, ks: Sequence[int] = (1, 5, 10)) -> Scores:
    """Easy, medium and hard mAP and mP@k of a file of rankings.

    Args:
        ranks: .npy of ids (results, queries), best first, as the official kit takes them; or .json or text with one
            list per query of ids or image names (.json also by query name). Lists may stop early: what they leave out
            counts as not retrieved. Ids from the database's size on are distractors; negative ones are no result.
        ground_truth: gnd_*.pkl, or the same as .json.
        ks: cut-offs of mP@k.

    Raises:
        InputError: a file that cannot be read, another number of queries, a repeated id, or no result at all that is
            an image of the database.
    """
    truth = read_ground_truth(ground_truth)
    lists = _read_lists(ranks, truth.queries)
    if len(lists) != len(truth.queries):
        raise InputError(f"{ranks} ranks {len(lists)} queries and {ground_truth} has {len(truth.queries)}")
    ids = _Ids(truth.database, ranks)
    located = []
    for query, ranked, groups in zip(truth.queries, lists, truth.judged, strict=True):
        judged = np.concatenate([groups[name] for name in GROUPS])
        located.append(split_groups(_positions_of(ids.of(ranked, query), judged, query, ranks), groups))
    ids.refuse_strangers()
    scores = score_positions(located, truth, ks)
    scores.warnings += ids.warnings()
    return scores


def score_copydays_file(ranks: Path, root: Path, top: int = 20, measure: str = "trapezoid") -> Scores:
    """Mean AP of each block of a file of rankings.

    Args:
        ranks: .npy of ids (copies, results) with the blocks one after the other in the published order, ids counting
            the originals by name and then distractors; or .json of {block: {copy: [database names, best first]}}.
        root: the Copydays folder, for the names of its images.
        top: results that count, 0 for all.
        measure: "trapezoid" (the paper's) or "standard".

    Raises:
        InputError: a file that cannot be read, another number of copies, a repeated id, or no result at all that is
            an original.
    """
    if top < 0:
        raise InputError(f"top is {top}; give the number of results that count, or 0 for all")
    names = {block: copydays.open(root, block).names for block in copydays.present_blocks(root)}
    blocks = _read_blocks(ranks, names)
    ids = _Ids(tuple(Path(name).name for name in names["original"]), ranks)
    scores = Scores({}, details={"average_precision": {}})
    for block, lists in blocks.items():
        pairing = copydays.pair_copies(block, names[block], names["original"])
        scores.warnings += [pairing.note] if pairing.note else []
        located = [
            _positions_of(ids.of(ranked, copy)[: top or None], np.array(wanted), copy, ranks)
            for copy, ranked, wanted in zip(names[block], lists, pairing.positives, strict=True)
        ]
        score_block(scores, block, names[block], located, measure)
        scores.images[block] = len(located)
    ids.refuse_strangers()
    scores.warnings += ids.warnings()
    return scores


class _Ids:
    """Turns names in a list into ids; unknown names become distractors, each with an id of its own.

    Attributes:
        results, known: how many results were turned, and how many of them are images of the database.
        strange: how many are names of none.
    """

    def __init__(self, database: Sequence[str], source: Path) -> None:
        self.by_name = {Path(name).stem: index for index, name in enumerate(database)}
        self.size, self.source = len(self.by_name), source
        self.results = self.known = self.strange = 0

    def of(self, ranked: Any, query: str) -> Ids:
        """(n,) ids of one list of ids or names.

        Raises:
            InputError: it is not a list, or mixes the two.
        """
        if not isinstance(ranked, list | np.ndarray):
            raise InputError(
                f"{self.source}: the ranking of {query} is {json.dumps(ranked)[:40]}, not a list of ids or names"
            )
        named = isinstance(ranked, list) and all(isinstance(item, str) for item in ranked)
        ids = np.array([self._id_of(item) for item in ranked], dtype=np.int64) if named else self._ids_of(ranked, query)
        known = int((ids < self.size).sum())
        self.results, self.known = self.results + len(ids), self.known + known
        self.strange += len(ids) - known if named else 0
        return ids

    def refuse_strangers(self) -> None:
        """Raise InputError where no result at all is an image of the database: it is a ranking of something else."""
        if self.known == 0:
            example = next(iter(self.by_name))
            raise InputError(
                f"{self.source}: none of its {self.results} results is one of the {self.size} images of the database; "
                f"give ids from 0 to {self.size - 1} or names such as {example} (in text apart by blanks, not commas)"
            )

    def warnings(self) -> list[str]:
        """One line on the names that the database lacks, where there are any."""
        if not self.strange:
            return []
        return [f"{self.strange} of {self.results} results name no image of the database; they count as distractors"]

    def _ids_of(self, ranked: list[Any] | Ids, query: str) -> Ids:
        if isinstance(ranked, np.ndarray):
            return ranked[ranked >= 0]
        if not all(type(item) is int and 0 <= item < 2**63 for item in ranked):
            raise InputError(f"{self.source}: the list of {query} is neither all ids nor all names")
        return np.array(ranked, dtype=np.int64)

    def _id_of(self, name: str) -> int:
        return self.by_name.setdefault(Path(name).stem, len(self.by_name))


def _positions_of(ranked: Ids, wanted: Ids, query: str, source: Path) -> Positions:
    try:
        return positions_in_list(ranked, wanted)
    except ValueError as error:
        raise InputError(f"{source}, query {query}: {error}; each image may stand once") from error


def _read_lists(path: Path, queries: Sequence[str]) -> list[Any]:
    if path.suffix == ".npy":
        return list(_read_array(path).T)
    if path.suffix == ".json":
        content = _read_json(path)
        if isinstance(content, Mapping):
            missing = [query for query in queries if query not in content]
            if missing:
                raise InputError(f"{path} has no ranking for {len(missing)} queries, first {missing[0]}")
            return [content[query] for query in queries]
        if not isinstance(content, list):
            raise InputError(f"{path} holds {json.dumps(content)[:40]}; expected one list of ids or names per query")
        return content
    lines = [line.split() for line in _read_text(path).splitlines() if line.strip()]
    return [[int(item) for item in line] if all(map(_is_id, line)) else line for line in lines]


def _is_id(word: str) -> bool:
    """Whether a word is the number of an image: digits, and no more of them than a 64-bit number has."""
    return word.isascii() and word.isdecimal() and len(word) < 19


def _read_blocks(path: Path, names: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
    if path.suffix == ".npy":
        array, sizes = _read_array(path), [len(block) for block in names.values()]
        if len(array) != sum(sizes):
            raise InputError(f"{path} ranks {len(array)} copies and the folder has {sum(sizes)} in {len(sizes)} blocks")
        return dict(zip(names, map(list, np.split(array, np.cumsum(sizes)[:-1])), strict=True))
    content = _read_json(path)
    if not isinstance(content, Mapping) or not content or not set(content) <= set(names):
        raise InputError(f"{path} must map block names ({', '.join(names)}) to rankings by copy")
    blocks = {}
    for block, lists in content.items():
        if not isinstance(lists, Mapping):
            raise InputError(f"{path}: block {block} must map each copy to its list of database names, best first")
        by_copy = {Path(copy).stem: ranked for copy, ranked in lists.items()}
        missing = [name for name in names[block] if Path(name).stem not in by_copy]
        if missing:
            raise InputError(f"{path} has no ranking for {len(missing)} copies of block {block}, first {missing[0]}")
        blocks[block] = [by_copy[Path(name).stem] for name in names[block]]
    return blocks


def _read_array(path: Path) -> Ids:
    refuse_pipe(path)
    try:
        # Mapped, an array that claims more than the file holds is refused before memory is taken.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises what tokenize and zipfile raise
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {path}: {reason:.200}; expected an .npy of ids") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays; expected an .npy of ids")
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise InputError(f"{path} holds {array.dtype} of shape {array.shape}; expected a table of ids")
    return np.array(array, dtype=np.int64)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from error


def _read_text(path: Path) -> str:
    refuse_pipe(path)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; expected .npy, .json or text") from error
