"""transcript.py EVENTS_JSON: as transcript.mjs, with the Python client."""

import json
import sys

from synapse_client.generated import RunEvents
from synapse_client.transcript import Transcript

transcript = Transcript()
for event in json.loads(sys.argv[1]):
    transcript.take(RunEvents.model_validate({"runEvents": event}).run_events)
print(json.dumps(transcript.text))  # noqa: T201
