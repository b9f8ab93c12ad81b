"""Damage of every kind that bytes may suffer, drawn by seed."""

from __future__ import annotations

import random

_NUMBERS = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\1\0", b"\1\0\0\0", b"\0" * 8]
_WORDS = [
    b"null",
    b"-1",
    b"1e400",
    b"NaN",
    b"9" * 5000,
    b"[]",
    b"{}",
    b'""',
    b"true",
    b"[" * 5000,
    b'{"a":' * 3000,
    b"../../x",
    b"\xe9",
    b"\\u0000",
    b"\\udce9",
    b"\xef\xbb\xbf",
]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A damaged copy of `data`: one to four changes."""
    found = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 4])):
        _change(found, rng)
    return bytes(found)


def _change(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    length = rng.choice([1, 1, 2, 4, 8, rng.randrange(1, 64)])
    match rng.randrange(8):
        case 0 | 1:
            if place < len(data):
                data[place] ^= 1 << rng.randrange(8)
        case 2:
            data[place : place + 1] = bytes([rng.randrange(256)])
        case 3:
            number = rng.choice(_NUMBERS)
            data[place : place + len(number)] = number
        case 4:
            del data[place : place + length]
        case 5:
            other = rng.randrange(len(data) + 1)
            data[place:place] = data[other : other + length]
        case 6:
            data[place : place + length] = rng.choice(_WORDS)
        case _:
            del data[place:]
