"""The fake upstream as a fixture: import it in a ``conftest.py``."""

from collections.abc import AsyncIterator

import pytest

from tests.upstream.server import Upstream, run_upstream


@pytest.fixture(scope="session")
async def upstream() -> AsyncIterator[Upstream]:
    """One fake upstream per test process. Tests keep apart by the model names that `Upstream.serve` gives them."""
    async with run_upstream() as running:
        yield running
