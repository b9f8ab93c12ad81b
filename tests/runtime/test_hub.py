import pytest
from huggingface_hub import constants

from dinobench.runtime.hub import hub_or_cache


def does_not(*_: object, **__: object) -> list[str]:
    raise OSError("no such name")


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinobench.runtime.hub.getproxies", dict)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_without_a_network_the_cache_alone_is_asked_and_only_within(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config as other

    monkeypatch.setattr(other, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("socket.getaddrinfo", does_not)
    with pytest.raises(KeyError), hub_or_cache():
        assert constants.HF_HUB_OFFLINE and other.HF_HUB_OFFLINE
        raise KeyError
    assert not constants.HF_HUB_OFFLINE and not other.HF_HUB_OFFLINE


def test_a_hub_that_can_be_reached_is_asked_and_so_is_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port: asked.append(host) or [port])
    monkeypatch.setattr(constants, "ENDPOINT", "https://mirror.example")
    with hub_or_cache():
        assert not constants.HF_HUB_OFFLINE
    assert asked == ["mirror.example"]


def test_behind_a_proxy_the_proxy_resolves_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinobench.runtime.hub.getproxies", lambda: {"https": "proxy"})
    monkeypatch.setattr("socket.getaddrinfo", does_not)
    with hub_or_cache():
        assert not constants.HF_HUB_OFFLINE


def test_what_lies_here_looks_up_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port: asked.append(host) or [port])
    with hub_or_cache(remote=False):
        assert not constants.HF_HUB_OFFLINE
    assert not asked
