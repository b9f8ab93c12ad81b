"""The Hugging Face hub, where there may be no network."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from types import ModuleType
from urllib.parse import urlsplit
from urllib.request import getproxies


@contextlib.contextmanager
def hub_or_cache(remote: bool = True) -> Iterator[None]:
    """Within, a hub that cannot be reached is not asked: its cache serves, and a miss fails at once.

    Its clients would try again for half a minute and print a line each time.

    Args:
        remote: whether the user named something remote at all; if not, not even the hub's address is looked up.
    """
    from huggingface_hub import constants

    clients = [] if not remote or _is_reachable(urlsplit(constants.ENDPOINT).hostname or "") else list(_hub_clients())
    before = [client.HF_HUB_OFFLINE for client in clients]
    try:
        for client in clients:
            client.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
        yield
    finally:
        for client, offline in zip(clients, before, strict=True):
            client.HF_HUB_OFFLINE = offline  # type: ignore[attr-defined]


def _hub_clients() -> Iterator[ModuleType]:
    """Modules that hold the switch; `datasets` copies it when it is imported."""
    names = ("huggingface_hub.constants", "datasets.config")
    return (sys.modules[name] for name in names if name in sys.modules)


def _is_reachable(host: str) -> bool:
    """Whether the name resolves here; behind a proxy that is the proxy's business."""
    if getproxies():
        return True
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False
