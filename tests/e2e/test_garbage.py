"""What has come to its end is gone by itself. What only Python's collector of cycles could find would pile up, and be
taken away at some moment for a tenth of a second, in which nobody is served.
"""

import gc
from types import MethodType
from typing import Any

from tests.accounts import Member
from tests.operations import START_RUN, complete_run, create_agent
from tests.upstream.replies import text
from tests.upstream.server import Upstream

PACKAGES = {"commands", "core", "engine", "models", "providers", "resolvers", "schema", "services", "streaming"}


def left_to_the_collector() -> set[str]:
    """The kinds of ours that lie about without being reached from anywhere."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        owners = [found.__self__ if isinstance(found, MethodType) else found for found in gc.garbage]
        return {kind_of(owner) for owner in owners if type(owner).__module__.partition(".")[0] in PACKAGES}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def kind_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


async def test_runs_and_connections_leave_nothing_to_the_collector_of_cycles(ada: Member, upstream: Upstream) -> None:
    agent = await create_agent(ada, f"openai_compatible/{upstream.serve(text('Hel', 'lo'))}")
    await complete_run(ada, agent)  # what is made once is here now
    gc.collect()
    gc.disable()
    try:
        await complete_run(ada, agent)
        async with ada.client.connect() as socket:
            [_] = [result async for result in socket.stream(START_RUN, input={"agentId": agent["id"], "message": "Hi"})]
        assert left_to_the_collector() == set()
    finally:
        gc.enable()
