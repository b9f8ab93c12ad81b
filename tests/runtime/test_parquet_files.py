from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinobench.runtime.errors import InputError
from dinobench.runtime.parquet_files import read_parquet_file, write_columns


def test_columns_come_back_with_what_is_empty_and_names_that_are_no_utf8(tmp_path: Path) -> None:
    file = tmp_path / "new" / "kept.parquet"
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    write_columns(file, {"image": [name, "b"], "value": [None, 0.1], "score": np.array([np.nan, 1 / 3])})
    found = read_parquet_file(file, "again").to_pydict()
    assert found == {"image": [r"caf\xe9.png", "b"], "value": [None, 0.1], "score": [None, 1 / 3]}


def test_a_half_written_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "kept.parquet"
    write_columns(file, {"value": [0.5] * 100})
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot read .* as parquet .*; score it again") as caught:
        read_parquet_file(file, "score it again")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "damaged"), [(b"beetle", b"beet\xffe"), (b"label", b"lab\xffl")])
def test_texts_and_column_names_that_are_no_utf8_are_one_line(text: bytes, damaged: bytes, tmp_path: Path) -> None:
    file = tmp_path / "kept.parquet"
    table = pa.table({"label": ["beetle", "moth"]})
    pq.write_table(table, file, use_dictionary=False, compression="none", write_statistics=False, store_schema=False)
    whole = file.read_bytes()
    assert text in whole
    file.write_bytes(whole.replace(text, damaged))
    with pytest.raises(InputError, match=r"cannot read .* as parquet"):
        read_parquet_file(file, "fetch it again")
