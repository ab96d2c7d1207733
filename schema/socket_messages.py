"""What clients may send over a WebSocket: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md."""

from typing import Any

MAX_ID_CHARS = 128


def problem_of(message: Any) -> str | None:
    """What is wrong with a message's form; None when nothing is."""
    match message:
        case {"type": "connection_init" | "ping" | "pong", **rest}:
            return None if isinstance(rest.get("payload"), dict | None) else "The payload must be an object"
        case {"type": "complete", "id": str()}:
            return None
        case {"type": "subscribe", "id": str(id), "payload": {**rest}}:
            if not 0 < len(id) <= MAX_ID_CHARS:
                return f"An id has 1 to {MAX_ID_CHARS} characters"
            if not isinstance(rest.get("query"), str if not {"extensions", "documentId"} & rest.keys() else str | None):
                return "The query must be a string"
            for key in ("variables", "extensions"):
                if not isinstance(rest.get(key), dict | None):
                    return f"The {key} must be an object"
            for key in ("operationName", "documentId"):
                if not isinstance(rest.get(key), str | None):
                    return f"The {key} must be a string"
            return None
        case _:
            return "This is no message of graphql-transport-ws"
