"""What the curves say: collapse, plateau, a loss that is not finite."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dinobench.runtime.errors import RunFailedError

_NEAR = 0.01
_FEW = 0.05


@dataclass(frozen=True)
class Diagnosis:
    """A named trouble and its remedy, in one line each.

    Attributes:
        name: "collapse to one dimension", "collapse to few dimensions", "collapse to uniform", "plateau"
            or "does not learn".
        fatal: whether the targets say nothing any more, so that going on makes no sense.
        spoils: whether the checkpoint before it is better than those to come.
    """

    name: str
    explanation: str
    fatal: bool
    spoils: bool = True

    def __str__(self) -> str:
        return f"{self.name}: {self.explanation}"


def diagnose_collapse(entropy: float, divergence: float, out_dim: int, *, past_warmup: bool) -> Diagnosis | None:
    """Name the trouble that an epoch's means show, if any (Caron et al. 2021, section 5.3 and Figure 7).

    Args:
        entropy: of the teacher's targets in nats.
        divergence: KL(teacher || student) in nats.
        out_dim: K; a uniform output has entropy ln K.
        past_warmup: whether the learning rate has reached its peak; before it, near-uniform outputs are normal.
    """
    share = entropy / math.log(out_dim)
    if share < _NEAR and divergence < _NEAR:
        return Diagnosis(
            "collapse to one dimension",
            f"the teacher's entropy is {entropy:.3f}, near 0: every image has the same answer; "
            "keep centering on, lower lr or raise momentum_teacher",
            fatal=True,
        )
    if share > 1 - _NEAR and divergence < _NEAR * math.log(out_dim) and past_warmup:
        return Diagnosis(
            "collapse to uniform",
            f"the teacher's entropy is {entropy:.3f}, ln {out_dim} = {math.log(out_dim):.3f}: no image has an "
            "answer; keep sharpening on: lower teacher_temp",
            fatal=share > 1 - _NEAR / 10 and divergence < _NEAR / 10,
        )
    loss = share + divergence / math.log(out_dim)  # of the cross-entropy, as a share of ln K
    if past_warmup and (share > 1 - _NEAR / 10 or abs(loss - 1) < _NEAR):
        return Diagnosis(
            "plateau",
            f"the loss stays near ln {out_dim} = {math.log(out_dim):.3f}; raise lr, lower momentum_teacher or out_dim",
            fatal=False,
        )
    return None


def diagnose_use(used: float, samples: int, out_dim: int) -> Diagnosis | None:
    """Name targets that tell hardly anything about the image: a collapse that stops short of one dimension.

    Args:
        used: over how many outputs the targets of a micro-batch spread.
        samples: targets of a micro-batch, which is as many as could differ.
        out_dim: K.
    """
    if used > _FEW * min(samples, out_dim):
        return None
    return Diagnosis(
        "collapse to few dimensions",
        f"all images share {used:.1f} of {out_dim} answers; keep centering on, lower lr or raise momentum_teacher",
        fatal=False,
    )


def diagnose_features(accuracy: float, untrained: float) -> Diagnosis | None:
    """Name features that the training has not improved, whatever its objective says.

    Args:
        accuracy: k-NN top-1 of the teacher after the warm-up, in percent.
        untrained: the same before the first step.
    """
    if accuracy > untrained:
        return None
    return Diagnosis(
        "does not learn",
        f"k-NN is {accuracy:.2f}%, no better than the {untrained:.2f}% before training; "
        "if it stays so: a momentum teacher, centering and sharpening on, another lr",
        fatal=False,
        spoils=False,
    )


def check_finite(loss: float, step: int) -> None:
    """Stop a run that cannot recover.

    Raises:
        RunFailedError: the loss is infinite or no number.
    """
    if not math.isfinite(loss):
        raise divergence_error(f"the loss is {loss} at step {step}")


def divergence_error(finding: str) -> RunFailedError:
    """The error of a run that cannot recover, with what to do."""
    return RunFailedError(
        f"{finding}; what was saved before is untouched: go on from there with --set reschedule=true and a lower "
        "lr, clipped gradients (clip_grad = 3 or less, 0 is off) or precision=fp32"
    )
