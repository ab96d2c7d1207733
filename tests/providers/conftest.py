"""What tests of adapters share."""

import pytest

from providers import streaming_http


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the end of an answer's body takes on a machine that stands still, its connection is used again."""
    monkeypatch.setattr(streaming_http, "END_OF_BODY_TIMEOUT_S", 10.0)
