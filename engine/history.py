"""What the model is told: the agent's instructions, and as much of the thread as fits."""

from collections.abc import Sequence

from engine.tally import BYTES_PER_TOKEN
from models.agents import AgentVersion
from models.database import Connection, fetch
from models.runs import Run
from models.threads import MessageRole
from providers.port import ChatMessage, ChatRole

# Enough for any context window of today, and a bound on what one run loads.
MOST_MESSAGES = 500
# The share of the context window that an answer may need when the agent sets no limit of its own.
ANSWER_SHARE = 4
# What a provider wraps around each message, in tokens.
MESSAGE_OVERHEAD = 8

_ROLES = {
    MessageRole.USER: ChatRole.USER,
    MessageRole.ASSISTANT: ChatRole.ASSISTANT,
    MessageRole.TOOL: ChatRole.TOOL,
    MessageRole.SYSTEM: ChatRole.SYSTEM,
}

# Runs of a thread are executed in the order of their ids; what was queued behind this run is not yet said.
_THREAD_SO_FAR = """
SELECT role, text FROM messages WHERE thread_id = $1 AND run_id <= $2
ORDER BY run_id DESC, position DESC LIMIT $3
"""


async def load_history(connection: Connection, run: Run) -> list[ChatMessage]:
    """The thread's messages up to and with this run's own, oldest first."""
    rows = await fetch(connection, _THREAD_SO_FAR, run.thread_id, run.id, MOST_MESSAGES)
    return [ChatMessage(_ROLES[MessageRole(row["role"])], row["text"]) for row in reversed(rows)]


def compose(version: AgentVersion, history: Sequence[ChatMessage], context_window: int | None) -> list[ChatMessage]:
    """The messages of one model call: instructions first, then the newest of ``history`` that fit.

    The newest message always stands: should it alone be too long, the provider says so better than we can.
    """
    system = [ChatMessage(ChatRole.SYSTEM, version.instructions)] if version.instructions else []
    if context_window is None:
        return [*system, *history]
    room = context_window - (version.max_output_tokens or context_window // ANSWER_SHARE)
    room -= sum(_tokens(message) for message in [*system, history[-1]])
    kept = [history[-1]]
    for message in reversed(history[:-1]):
        room -= _tokens(message)
        if room < 0:
            break
        kept.append(message)
    return [*system, *reversed(kept)]


def _tokens(message: ChatMessage) -> int:
    return len(message.text.encode()) // BYTES_PER_TOKEN + MESSAGE_OVERHEAD
