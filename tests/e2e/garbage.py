"""Runs over sockets in a process of its own, which serves them too, and what is left of them.

`python -m tests.e2e.garbage DATABASE_URL UPSTREAM_URL MODEL` prints the kinds of ours that are left to Python's
collector of cycles, as a list in JSON.
"""

import asyncio
import gc
import json
import sys
from types import MethodType
from typing import Any

import uvloop

from tests.accounts import Member, sign_up
from tests.client import Json
from tests.operations import RUN_EVENTS, START_RUN, complete_run, create_agent
from tests.servers.app import serve, settings_for

PACKAGES = {"commands", "core", "engine", "models", "providers", "resolvers", "schema", "services", "streaming"}


def left_to_the_collector() -> set[str]:
    """The kinds of ours that lie about without being reached from anywhere."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    owners = [found.__self__ if isinstance(found, MethodType) else found for found in gc.garbage]
    return {kind_of(owner) for owner in owners if type(owner).__module__.partition(".")[0] in PACKAGES}


def kind_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


async def follow_a_run(member: Member, agent: Json) -> int:
    """How many events it had."""
    async with member.client.connect() as socket:
        request = {"agentId": agent["id"], "message": "Hi"}
        [started] = [result async for result in socket.stream(START_RUN, input=request)]
        run_id = started["data"]["startRun"]["run"]["id"]
        return len([result async for result in socket.stream(RUN_EVENTS, runId=run_id, after=0)])


async def main(database_url: str, upstream_url: str, model: str) -> None:
    settings = settings_for(database_url, openai_compatible_base_url=upstream_url)
    async with serve(settings, with_executor=True) as server, asyncio.timeout(60):
        member = await sign_up(server)
        agent = await create_agent(member, f"openai_compatible/{model}")
        await complete_run(member, agent)
        await follow_a_run(member, agent)  # what is made once is here now
        gc.collect()
        gc.disable()
        await complete_run(member, agent)
        assert await follow_a_run(member, agent) > 7, "words came one after the other"
        await asyncio.sleep(0.2)
        json.dump(sorted(left_to_the_collector()), sys.stdout)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
