"""Fixtures that every room shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.group import start_server

# A busy machine must not fail a test: no deadlines, and drawing examples may take long.
settings.register_profile("no deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no deadline")

SHARED = Path(__file__).parents[2] / "shared"


def shared_data(*parts: str) -> Path:
    """A path under the small real data beside the project; skips the test where it is absent."""
    path = SHARED.joinpath("data", *parts)
    if not path.exists():
        pytest.skip(f"no real data at {path}")
    return path


def pytest_collection_finish(session: pytest.Session) -> None:
    """The server of processes starts before any test computes something, with the modules of the tests that use it."""
    modules = {item.module for item in session.items if isinstance(item, pytest.Function)}
    users = sorted(module.__name__ for module in modules if {"in_processes", "in_launched"} & vars(module).keys())
    if users and not session.config.option.collectonly:
        start_server(users)


@pytest.fixture(autouse=True)
def no_announcements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telling how long a task will take costs a part of a second, in hundreds of tests."""
    monkeypatch.setattr("dinobench.pipeline.estimates.announce.FEW_IMAGES", 10**9)


@pytest.fixture(autouse=True)
def no_index_of_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making the index of all of timm takes minutes: tests of it make one of a few networks."""
    monkeypatch.setattr("dinobench.models.loading.timm_index.networks", dict)
