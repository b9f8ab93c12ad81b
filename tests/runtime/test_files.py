import errno
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path, refuse_unwritable, sha256_file, write_text_atomically


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    write_text_atomically(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed here")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with pytest.raises(InputError, match=r"cannot write .*No space left"), atomic_path(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may grow beyond 4 KiB: writes fall short as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save({"weights": torch.zeros(9000)}, path),
        lambda path: torch.save([torch.zeros(500)] * 9 + [torch.ones(500 + count) for count in range(9)], path),
        lambda path: np.save(path.open("wb"), np.zeros(9000)),
    ],
)
def test_a_write_cut_short_says_that_the_disk_is_full(
    tmp_path: Path, little_room: None, write: Callable[[Path], None]
) -> None:
    target = tmp_path / "x"
    full = r"cannot write .*x: only a part .* disk is probably full; the previous"
    with pytest.raises(InputError, match=full), atomic_path(target) as temporary:
        write(temporary)
    assert list(tmp_path.iterdir()) == []


def test_an_error_without_a_system_reason_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="x: cannot write mode F as JPEG;"), atomic_path(tmp_path / "x"):
        raise OSError("cannot write mode F as JPEG")


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_text_atomically(tmp_path / "file" / "below.txt", "text")


def test_sha256_of_known_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_file(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_a_place_that_cannot_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "record.json"):
        with pytest.raises(InputError, match=f"cannot write {place}"):
            refuse_unwritable(place)
    refuse_unwritable(tmp_path / "new" / "deep" / "record.json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
