"""How estimates are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinobench.pipeline.estimates import Estimate


def cost_line(estimate: Estimate) -> str:
    """One line of what a job is expected to take; why not, where that is not known."""
    if estimate.because:
        return f"not estimated: {estimate.because}"
    from dinobench.pipeline.estimates import magnitude

    parts = [
        f"{estimate.passes:,} images through the network{' (the published counts)' if estimate.published else ''}",
        f"about {magnitude(estimate.total)} ({magnitude(estimate.total_cpu)} of CPU time)",
        f"{size(estimate.memory)} of memory",
    ]
    return ", ".join([*parts, f"{size(estimate.stored)} of features"] if estimate.stored else parts)


def size(count: float) -> str:
    """Bytes in kB, MB, GB or TB."""
    for name, unit in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.1f} kB"
