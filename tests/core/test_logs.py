"""What a process writes for whoever collects logs."""

import json
import subprocess
import sys
from typing import Any

SCRIPT = """
import logging
import structlog
from core.logs import configure_logs

configure_logs("info", "json")
structlog.contextvars.bind_contextvars(request_id="r1")
structlog.get_logger("ours").info("listening", address="http://127.0.0.1:8000")
structlog.get_logger("ours").debug("not asked for")
logging.getLogger("library").info("chatter")
try:
    raise RuntimeError("broken")
except RuntimeError:
    logging.getLogger("library").exception("failed %d times", 2)
"""


def test_every_line_is_an_object_also_those_of_libraries() -> None:
    output = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    assert output.stderr == ""
    ours, theirs = (json.loads(line) for line in output.stdout.splitlines())
    assert shown(ours) == {
        "event": "listening",
        "level": "info",
        "address": "http://127.0.0.1:8000",
        "request_id": "r1",
    }
    assert "RuntimeError: broken" in theirs.pop("exception")
    assert shown(theirs) == {"event": "failed 2 times", "level": "error", "logger": "library", "request_id": "r1"}


def shown(line: dict[str, Any]) -> dict[str, Any]:
    assert line.pop("timestamp").endswith("Z")
    return line
