"""What the model is told: the agent's instructions, and as much of the thread as fits."""

from collections.abc import Iterable, Sequence

from models.agents import AgentVersion
from models.database import Reader, fetch
from models.llm_calls import BYTES_PER_TOKEN, estimate_tokens
from models.runs import Run
from models.threads import MessageRole
from providers.port import ChatMessage, ChatRole

# Bounds on what one run loads: enough for the largest context window of today, a million tokens.
MOST_BYTES = 4_000_000
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

# Runs of a thread are executed in the order of their ids; what was queued behind this run is not yet said. The length
# of a text is known without reading it, so what is too much is never loaded.
_THREAD_SO_FAR = """
WITH newest AS (
    SELECT id, run_id, position, octet_length(text) AS bytes FROM messages
    WHERE thread_id = $1 AND run_id <= $2 ORDER BY run_id DESC, position DESC LIMIT $3
), sized AS (
    SELECT id, bytes, sum(bytes) OVER (ORDER BY run_id DESC, position DESC) AS bytes_so_far FROM newest
)
SELECT role, text FROM messages JOIN sized USING (id)
WHERE bytes_so_far <= $4 OR bytes_so_far = bytes ORDER BY run_id, position
"""


def bytes_of_use(context_windows: Iterable[int | None]) -> int:
    """How long a history any model with one of these context windows (tokens; None: unknown) can make use of."""
    return max(MOST_BYTES if window is None else window * BYTES_PER_TOKEN for window in context_windows)


def opening(run: Run) -> list[ChatMessage]:
    """What `load_history` finds for the first run of a thread, without asking: there is nothing but its own message."""
    return [ChatMessage(ChatRole.USER, run.input)]


async def load_history(connection: Reader, run: Run, most_bytes: int) -> list[ChatMessage]:
    """The thread's newest messages up to and with this run's own, oldest first.

    All of them together have at most ``most_bytes`` of UTF-8, but the newest is there however long it is.
    """
    rows = await fetch(connection, _THREAD_SO_FAR, run.thread_id, run.id, MOST_MESSAGES, most_bytes)
    return [ChatMessage(_ROLES[MessageRole(row["role"])], row["text"]) for row in rows]


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
    return estimate_tokens(message.text) + MESSAGE_OVERHEAD
