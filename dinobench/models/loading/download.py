"""Published weights on this disk, fetched only when asked: checked, and renamed at the end."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dinobench.models.loading.resumable import discard, download, origin_of, sibling_path
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import sha256_file
from dinobench.runtime.locks import try_lock
from dinobench.runtime.names import safe_name


@dataclass(frozen=True)
class Fetched:
    """Weights on this disk.

    Attributes:
        sha256: hex digest of the whole file.
        verified: whether a known digest was there to compare with.
        downloaded: False where the file was here already.
    """

    path: Path
    sha256: str
    verified: bool
    downloaded: bool


def weights_folder() -> Path:
    """Where weights are kept, beside the other files of the cache."""
    return cache_folder("weights")


def cached_weights(name: str, url: str, folder: Path | None = None) -> Path | None:
    """The fetched file of card `name`, or None where it was not fetched or came from another address.

    A file that somebody copied into the folder counts too, as offline machines need.
    """
    path = _target_path(name, url, folder)
    return path if path.is_file() and origin_of(path).get("url", url) == url else None


def fetch_weights(name: str, url: str, *, sha256: str = "", folder: Path | None = None) -> Fetched:
    """Bring the file at `url` to `folder`/NAME.suffix, or find it there.

    Args:
        name: the card's name; the file gets the suffix of the address (".pth", ".pth.tar").
        url: http(s) address.
        sha256: known digest or its first digits; empty to skip the check.
        folder: by default `weights_folder()`.

    Raises:
        InputError: no network, the server refuses, the connection is cut (the next call resumes), a web page instead of
            a file, or a digest that differs (what was downloaded is removed).
    """
    path = _target_path(name, url, folder)
    with download_lock(path):
        if cached_weights(name, url, folder):
            digest = _check_digest(path, sha256, "remove the file and fetch again")
            return Fetched(path, digest, bool(sha256), downloaded=False)
        part = sibling_path(path, ".part")
        download(url, part)
        try:
            digest = _check_digest(
                part, sha256, "it was removed; if a new fetch says the same, the address has another file"
            )
        except InputError:
            discard(part)
            raise
        _put_in_place(part, path)
        return Fetched(path, digest, bool(sha256), downloaded=True)


@contextlib.contextmanager
def download_lock(path: Path) -> Iterator[None]:
    """Hold the lock of one file's download; two writers of one part would mix their bytes."""
    place = hashlib.sha256(str(path.absolute()).encode()).hexdigest()
    lock = try_lock(cache_folder("locks") / f"{place}.lock")
    if lock is None:
        raise InputError(f"another process is fetching {path}; wait for it to end, then run again")
    try:
        yield
    finally:
        lock.release()


def _target_path(name: str, url: str, folder: Path | None) -> Path:
    file_name = urlsplit(url).path.rpartition("/")[2]
    suffix = re.sub(r"^.*?((\.[a-z]+)*)$", r"\1", file_name)
    return (folder or weights_folder()) / safe_name(f"{name}{suffix}", "model")


def _check_digest(path: Path, sha256: str, advice: str) -> str:
    digest = sha256_file(path)
    if not digest.startswith(sha256.lower()):
        raise InputError(f"{path}: sha256 is {digest}, the card says {sha256}; {advice}")
    return digest


def _put_in_place(part: Path, path: Path) -> None:
    """Rename a whole part; the order leaves, at every moment, no file beside another file's origin."""
    path.unlink(missing_ok=True)
    sibling_path(part, ".origin").replace(sibling_path(path, ".origin"))
    part.replace(path)
