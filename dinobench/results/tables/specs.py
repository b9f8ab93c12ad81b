"""Which published CSV makes which table, and how its columns are headed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dinobench.runtime.suggest import unknown


@dataclass(frozen=True)
class TextColumn:
    """A column that names the row."""

    name: str
    heading: str


@dataclass(frozen=True)
class FigureColumn:
    """A column of figures, printed with `decimals` digits as the paper does."""

    name: str
    heading: str
    decimals: int = 1


@dataclass(frozen=True)
class TableSpec:
    """A table of the paper: `csv` in results/published, its columns in order, and the column that groups rows."""

    name: str
    caption: str
    csv: str
    text: tuple[TextColumn, ...]
    figures: tuple[FigureColumn, ...]
    group: str = ""


_METHOD = (TextColumn("method", "Method"), TextColumn("arch", "Arch."))
_DATASETS = ("CIFAR-10", "CIFAR-100", "iNat18", "iNat19", "Flowers", "Cars", "ImageNet")


def _figures(**headings: str) -> tuple[FigureColumn, ...]:
    return tuple(FigureColumn(name, heading) for name, heading in headings.items())


_ALL = (
    TableSpec(
        "1",
        "Networks: parameters and throughput of a forward pass (224 px, batch 128)",
        "table1_networks.csv",
        (TextColumn("arch", "Arch."), TextColumn("blocks", "Blocks"), TextColumn("dim", "Dim"))
        + (TextColumn("heads", "Heads"), TextColumn("tokens", "Tokens")),
        (FigureColumn("params_m", "Param. (M)", 0), FigureColumn("im_per_s_v100", "im/s (V100)", 0)),
    ),
    TableSpec(
        "2",
        "Linear and k-NN classification on ImageNet (top-1, %)",
        "table2_imagenet.csv",
        _METHOD,
        (FigureColumn("params_m", "Param. (M)", 0), FigureColumn("im_per_s", "im/s", 0))
        + _figures(linear_top1="Linear", knn_top1="k-NN"),
        group="group",
    ),
    TableSpec(
        "3",
        "Image retrieval on revisited Oxford and Paris (mAP, %)",
        "table3_retrieval.csv",
        (*_METHOD, TextColumn("pretrain_data", "Pretrain")),
        _figures(roxford_medium="ROx M", roxford_hard="ROx H", rparis_medium="RPar M", rparis_hard="RPar H"),
    ),
    TableSpec(
        "4",
        "Copy detection on the strong subset of Copydays (mAP, %)",
        "table4_copydays.csv",
        (*_METHOD, TextColumn("dim", "Dim"), TextColumn("resolution", "Resolution")),
        _figures(map_strong="mAP"),
    ),
    TableSpec(
        "5",
        "Video object segmentation on DAVIS 2017 val (%)",
        "table5_davis2017.csv",
        (_METHOD[0], TextColumn("data", "Data"), _METHOD[1]),
        _figures(jf_mean="(J&F)m", j_mean="Jm", f_mean="Fm"),
        group="group",
    ),
    TableSpec(
        "6",
        "Transfer by fine-tuning the whole network (top-1, %)",
        "table6_finetuning.csv",
        (_METHOD[1], _METHOD[0]),
        tuple(FigureColumn(heading.lower().replace("-", ""), heading) for heading in _DATASETS),
    ),
    TableSpec(
        "7",
        "Components of self-supervised training, ViT-S/16, 300 epochs (ImageNet top-1, %)",
        "table7_components.csv",
        tuple(
            TextColumn(name, heading)
            for name, heading in {
                "row": "Row",
                "method": "Method",
                "momentum": "Mom.",
                "sinkhorn": "SK",
                "multicrop": "MC",
                "loss": "Loss",
                "predictor": "Pred.",
            }.items()
        ),
        _figures(knn_top1="k-NN", linear_top1="Linear"),
    ),
    TableSpec(
        "8",
        "Time and memory of training by the number of crops, ViT-S/16",
        "table8_cost.csv",
        (TextColumn("crops", "Crops"),),
        _figures(
            top1_linear_100ep="Linear, 100 ep",
            hours_100ep="Hours, 100 ep",
            top1_linear_300ep="Linear, 300 ep",
            hours_300ep="Hours, 300 ep",
            mem_gb_per_gpu="GB per GPU",
        ),
    ),
    TableSpec(
        "9",
        "Effect of the batch size, 100 epochs, no multi-crop (ImageNet k-NN top-1, %)",
        "table9_batch_size.csv",
        (TextColumn("batch_size", "Batch"),),
        _figures(knn_top1_100ep_no_multicrop="k-NN"),
    ),
    TableSpec(
        "10",
        "Logistic regression and k-NN on frozen features (%)",
        "table10_logistic.csv",
        (TextColumn("classifier", "Classifier"), *_METHOD),
        _figures(
            imagenet="ImageNet",
            imagenet_10pct="ImageNet 10%",
            imagenet_1pct="ImageNet 1%",
            places_10pct="Places 10%",
            places_1pct="Places 1%",
            voc07="VOC07",
            flowers="Flowers",
        ),
    ),
    TableSpec(
        "12",
        "Low-shot learning on ImageNet (top-1, %)",
        "table12_low_shot.csv",
        _METHOD,
        (FigureColumn("params_m", "Param. (M)", 0), *_figures(top1_1pct="1%", top1_10pct="10%")),
    ),
    TableSpec(
        "figure4",
        "Jaccard similarity of attention masks with VOC12 objects (%)",
        "figure4_voc12_jaccard.csv",
        _METHOD,
        _figures(jaccard="Jaccard"),
    ),
    TableSpec(
        "figure6",
        "The teacher's origin (ImageNet k-NN top-1, %)",
        "figure6_teacher.csv",
        (TextColumn("teacher", "Teacher"),),
        _figures(knn_top1="k-NN"),
    ),
)
SPECS: Mapping[str, TableSpec] = {spec.name: spec for spec in _ALL}


def select_tables(name: str) -> list[TableSpec]:
    """The spec called `name` ("2" or "table2"), or the paper's tables 2 to 9 for "all".

    Raises:
        InputError: no such table.
    """
    name = name.removeprefix("table")
    if name == "all":
        return [SPECS[str(number)] for number in range(2, 10)]
    if name not in SPECS:
        raise unknown("table", name, {*SPECS, "all"})
    return [SPECS[name]]
