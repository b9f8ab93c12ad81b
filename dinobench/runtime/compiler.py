"""What is said where torch.compile cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dinobench.runtime.errors import InputError


@contextmanager
def needs_compiler() -> Iterator[None]:
    """Round the first call of something compiled: InputError instead of the many kinds that torch's compiler raises."""
    try:
        yield
    except Exception as error:
        line = str(error).strip().splitlines()[0]
        raise InputError(
            f"the model cannot be compiled here ({type(error).__name__}: {line}); install a C++ compiler, or leave "
            "out --set compile=true"
        ) from error
