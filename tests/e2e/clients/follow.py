"""follow.py URL TOKENS_JSON RUN_ID: as follow.mjs, with the Python client."""

import asyncio
import json
import sys

from synapse_client.client import SynapseClient
from synapse_client.errors import ApiError
from synapse_client.generated import GraphQLClientError
from synapse_client.generated.fragments import Session as Tokens
from synapse_client.runs import RunFinished, follow_run
from synapse_client.transcript import Transcript


async def follow(url: str, tokens: Tokens, run_id: str) -> dict[str, object]:
    transcript, matches = Transcript(), False
    async with SynapseClient(url) as client:
        client.session.tokens = tokens
        try:
            async for event in follow_run(client, run_id):
                transcript.take(event)
                if isinstance(event, RunFinished):
                    matches = transcript.matches(event.text_sha_256)
        except (ApiError, GraphQLClientError) as error:
            return {"failure": str(error)}
        refreshed = client.session.tokens.access_token != tokens.access_token
    return {"text": transcript.text, "matches": matches, "refreshed": refreshed}


print(json.dumps(asyncio.run(follow(sys.argv[1], Tokens.model_validate_json(sys.argv[2]), sys.argv[3]))))  # noqa: T201
