"""Pictures for light and for dark pages: each is drawn twice, and the page shows the one that fits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.runtime.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABEL = 40  # letters
_DARK: dict[str, Any] = {
    "figure.facecolor": "#161616",
    "axes.facecolor": "#161616",
    "savefig.facecolor": "#161616",
    "axes.edgecolor": "#a8a8a8",
    "axes.labelcolor": "#e8e8e8",
    "text.color": "#e8e8e8",
    "xtick.color": "#e8e8e8",
    "ytick.color": "#e8e8e8",
    "legend.facecolor": "#202428",
}


@contextlib.contextmanager
def drawing(*, dark: bool = False) -> Iterator[None]:
    """Within, matplotlib draws without a display, in the colors of a light or a dark page."""
    import matplotlib

    matplotlib.use("Agg")
    # text stays text, and equal figures become equal files
    about: Any = {"svg.fonttype": "none", "svg.hashsalt": "dinobench"}
    with matplotlib.rc_context(about | (_DARK if dark else {})):
        yield


def draw_both(draw: Callable[[Path], None], folder: Path, name: str) -> None:
    """Call `draw` for `folder`/NAME.svg and NAME.dark.svg, in light and in dark colors."""
    for dark, ending in ((False, ".svg"), (True, ".dark.svg")):
        with drawing(dark=dark):
            draw(folder / f"{name}{ending}")


def short_label(label: str) -> str:
    """A label that leaves room for the picture; a long one loses its middle."""
    half = _LABEL // 2
    return label if len(label) <= _LABEL else f"{label[:half]}...{label[-half:]}"


def save_figure(figure: Figure, target: Path) -> None:
    """Write a figure in the format of the file's ending, and forget it."""
    from matplotlib import pyplot as plt

    style = target.suffix.removeprefix(".")
    undated: Any = {"Date": None} if style == "svg" else None
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format=style, dpi=130, metadata=undated)
    plt.close(figure)
