"""A manifest changes with any name, content, label or order, and with nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dinobench.data.content import digest_of
from dinobench.data.dataset import from_files
from dinobench.data.manifest import Manifest, manifest_of

NAMES = st.text(st.characters(blacklist_characters="/\0.", blacklist_categories=("Cs",)), min_size=1, max_size=5)
FILES = st.dictionaries(
    NAMES.map(lambda name: f"n{name}"), st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=2, max_size=4
)


class _Sized:
    """A source of which only the content matters: here a number for each image."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes

    def digests(self, indices, full=False):  # type: ignore[no-untyped-def]
        return [digest_of(bytes([self.sizes[index]])) for index in indices]


def _manifest(names: list[str], sizes: list[int], labels: list[int]) -> Manifest:
    from dataclasses import replace

    images = from_files("x", Path(), names, labels, tuple("abcd"))
    return manifest_of(replace(images, source=_Sized(sizes)))  # type: ignore[arg-type]


@given(FILES, st.data())
def test_any_change_shows(files: dict[str, tuple[int, int]], data: st.DataObject) -> None:
    names = list(files)
    sizes, labels = [size for size, _ in files.values()], [label for _, label in files.values()]
    before = _manifest(names, sizes, labels)
    index = data.draw(st.integers(0, len(names) - 1))
    renamed = [*names[:index], names[index] + "x", *names[index + 1 :]]
    resized = [*sizes[:index], sizes[index] + 1, *sizes[index + 1 :]]
    relabeled = [*labels[:index], (labels[index] + 1) % 4, *labels[index + 1 :]]
    changed = [
        _manifest(renamed, sizes, labels),
        _manifest(names, resized, labels),
        _manifest(names, sizes, relabeled),
        _manifest(names[::-1], sizes[::-1], labels[::-1]),
        _manifest(names[1:], sizes[1:], labels[1:]),
    ]
    assert before == _manifest(names, sizes, labels)
    assert before.sha256 not in {other.sha256 for other in changed}


@given(FILES, FILES)
def test_different_sets_never_share_a_digest(
    one: dict[str, tuple[int, int]], other: dict[str, tuple[int, int]]
) -> None:
    digests = [_manifest(list(f), [s for s, _ in f.values()], [c for _, c in f.values()]).sha256 for f in (one, other)]
    assert (digests[0] == digests[1]) == (list(one.items()) == list(other.items()))


def test_counts_stand_beside_the_digest() -> None:
    manifest = _manifest(["a", "b"], [1, 2], [0, 1])
    assert (manifest.images, manifest.classes, len(manifest.sha256)) == (2, 4, 64)


def test_names_that_are_no_utf8_are_hashed_too() -> None:
    odd = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert _manifest([odd], [1], [0]) != _manifest(["cafe.jpg"], [1], [0])
