"""The record of a published method that is not a backbone: from the masks that its own code wrote."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dinobench.cards import load_models, load_tasks
from dinobench.pipeline.model import REHEARSAL, REHEARSED
from dinobench.pipeline.record import short_data_name
from dinobench.results.cell_verdicts import MASKS
from dinobench.results.records import DataInfo, ModelInfo, ProtocolRef, RecordStore, RunRecord, SplitInfo
from dinobench.runtime.suggest import unknown

TASKS = {"2017": "davis", "2016": "davis2016"}
PROTOCOL = "masks"


@dataclass(frozen=True)
class MaskRequest:
    """What is scored as what.

    Attributes:
        results: folder of SEQUENCE/00000.png masks.
        data: DAVIS folder or name.
        card: of the published method.
        output: folder of the record.
        year, split: which list of sequences.
        rehearsal: whether the masks are drawn, and only show the way.
    """

    results: Path
    data: str
    card: str
    output: Path
    year: str = "2017"
    split: str = "val"
    rehearsal: bool = False


def record_masks(request: MaskRequest) -> RunRecord:
    """Score masks and store the record under the card's name, marked as scored from masks.

    Raises:
        InputError: no such card, or masks that cannot be scored.
    """
    from dinobench.data.manifest import manifest_of
    from dinobench.data.open import dataset_root, open_dataset
    from dinobench.evaluators.video_segmentation.tally import score_folder
    from dinobench.runtime.stamp import current_time, environment

    models, task = load_models(), load_tasks()[TASKS[request.year]]
    if request.card not in models:
        raise unknown("card", request.card, models)
    scores = score_folder(request.results, dataset_root(request.data), request.year, request.split)
    protocol, card = task.protocol(PROTOCOL), models[request.card]
    manifest = manifest_of(open_dataset(request.data, request.split, task.layout, task.dataset))
    because = (*task.differences(scores.images, []), *scores.not_comparable)
    because += (REHEARSAL,) if request.rehearsal else ()
    name = f"{REHEARSED}{card.name}" if request.rehearsal else card.name
    record = RunRecord(
        task=task.name,
        protocol=ProtocolRef(protocol.name, protocol.version, protocol.hash),
        main_metric=task.main_metric,
        model=ModelInfo(name, _masks_digest(request.results), card=card.name, architecture=card.architecture),
        data=DataInfo(
            request.data,
            task.layout,
            short_data_name(request.data),
            {"val": SplitInfo(manifest.sha256, manifest.images, manifest.classes)},
        ),
        settings={"year": request.year, "split": request.split},
        date=current_time(),
        device="none: masks were given",
        environment=environment(),
        metrics=dict(scores.metrics),
        intervals=scores.intervals,
        details=scores.details,
        images=scores.images,
        warnings=(MASKS, *scores.warnings),
        comparable=not because,
        because=because,
        rehearsal=request.rehearsal,
    )
    RecordStore(request.output).add(record)
    return record


def _masks_digest(folder: Path) -> str:
    """Of names and bytes of all masks: what stands for the weights of a network that we do not see."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/*.png")):
        digest.update(f"{path.parent.name}/{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
