"""`python -m tests.fuzz.guided READER [--seconds N]`: damage that is led by the lines that the reader reaches.

Needs atheris (PyPI), which is not a dependency of the project. It ends at the first finding, with its traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dinobench"]):
    from dinobench.runtime.errors import InputError
    from tests.fuzz.readers import READERS


def main() -> None:
    """Run libFuzzer on one reader; its last line says how many inputs there were."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided")
    parser.add_argument("reader", choices=list(READERS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    reader = READERS[options.reader]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path, corpus = Path(folder) / "read" / reader.name, Path(folder) / "corpus"
        path.parent.mkdir(parents=True)
        corpus.mkdir()
        (corpus / "sound").write_bytes(reader.content())

        def read(data: bytes) -> None:
            path.write_bytes(data)
            with contextlib.suppress(InputError):
                reader.read(path)

        limits = [f"-max_total_time={options.seconds}", "-timeout=60", "-rss_limit_mb=6000", "-max_len=4096"]
        atheris.Setup([sys.argv[0], str(corpus), f"-seed={options.seed}", *limits], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
