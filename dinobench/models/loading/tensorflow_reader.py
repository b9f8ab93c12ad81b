"""A TensorFlow checkpoint read in a process of its own, which gets PREFIX and FILE as arguments.

TensorFlow and torch bring different copies of one compiler, and a process that loads both is ended by it. The tensors
of PREFIX.index go to FILE (.npz, float32), and the names of what was left out to stdout as JSON. What stops it is one
line on stderr, with exit code 2.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.runtime.errors import InputError

# What optimizers keep beside each weight: as large as the network, and of no use to features.
_SLOT = re.compile(r"/(Momentum|LARSOptimizer|LARSOptimizer_1|ExponentialMovingAverage|Adam|Adam_1)$")
_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
MISSING = "it is a TensorFlow checkpoint, whose reader is an extra: pip install 'dinobench[tensorflow]'"


def read_variables(reader: Any, held_bytes: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Tensors in float32 by name; and the names of slots of optimizers and of what is not a table of numbers.

    Args:
        reader: TensorFlow's own, of one checkpoint.
        held_bytes: size of the checkpoint's data files.

    Raises:
        InputError: the index names more numbers than the data files hold.
    """
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    wanted = sorted(name for name in shapes if types[name].name in _WIDTHS and not _SLOT.search(name))
    _refuse_lies({name: (shapes[name], types[name].name) for name in wanted}, held_bytes)
    return {name: reader.get_tensor(name).astype("float32") for name in wanted}, sorted(set(shapes) - set(wanted))


def _refuse_lies(claimed: Mapping[str, tuple[list[int], str]], held: int) -> None:
    needed = sum(math.prod(shape) * _WIDTHS[kind] for shape, kind in claimed.values())
    if needed > held:
        raise InputError(
            f"its index names {needed / 1e6:.1f} MB of numbers and its data files hold {held / 1e6:.1f} MB; "
            "download it again"
        )


def main(prefix: str, output: str) -> None:
    """Read the checkpoint PREFIX.index into the file `output`."""
    try:
        import tensorflow
    except ImportError:
        sys.exit(_refusal(MISSING))
    folder, name = Path(prefix).parent, Path(prefix).name
    held = sum(file.stat().st_size for file in folder.iterdir() if file.name.startswith(f"{name}.data-"))
    try:
        tensors, left_out = read_variables(tensorflow.train.load_checkpoint(prefix), held)
    except InputError as error:
        sys.exit(_refusal(str(error)))
    except Exception as error:  # whatever TensorFlow raises on damaged bytes
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        sys.exit(_refusal(f"it is truncated or damaged ({reason}); download it again"))
    np.savez(output, **tensors)  # type: ignore[arg-type]
    sys.stdout.write(json.dumps(left_out) + "\n")


def _refusal(line: str) -> int:
    sys.stderr.write(line + "\n")
    return 2


if __name__ == "__main__":
    main(*sys.argv[1:])
