"""Models that follow a script: a provider like the others, for tests and demonstrations without a model."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from providers.port import ChatRole, ModelRequest, Take

# What a scripted model does next: yield an event, pause for seconds, or raise an error.
ScriptStep = ModelEvent | float | Exception
Script = Sequence[ScriptStep] | Callable[[ModelRequest], AsyncGenerator[ModelEvent, None]]

ECHO_MODEL = "echo"

_WORD = re.compile(r"\s*\S+|\s+")


class ScriptedProvider:
    """Offers ``echo`` and the models of ``scripts``: lists of steps, or functions from the request to its events.

    ``scripts`` is looked up at each call, so a test may add to it.
    """

    def __init__(self, scripts: Mapping[str, Script] | None = None) -> None:
        self._scripts: Mapping[str, Script] = {} if scripts is None else scripts

    async def stream(
        self, request: ModelRequest, take: Take | None = None
    ) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """See `providers.port.ModelProvider.stream`; nothing is offered to ``take``.

        A script without ``ModelFinished`` ends like a lost connection.
        """
        script = echo if request.model == ECHO_MODEL else self._scripts.get(request.model)
        if script is None:
            raise ProviderFailed(f"There is no scripted model {request.model}.", retryable=False)
        events = _perform(script) if isinstance(script, Sequence) else script(request)
        async with aclosing(events):
            async for event in events:
                yield [event]
                if isinstance(event, ModelFinished):
                    return
        raise ProviderFailed("The provider's answer broke off.", retryable=True)

    async def aclose(self) -> None:
        """Nothing to release."""


async def echo(request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
    """Say the last user message again, word by word. A token is a word, in the whole conversation as in the answer."""
    said = [message.text for message in request.messages if message.role is ChatRole.USER]
    words = split_words(said[-1]) if said else []
    answer = words[: request.max_output_tokens]
    for word in answer:
        yield TextDelta(word)
        await asyncio.sleep(0)  # a real model's tokens do not come in one go either
    yield ModelFinished(
        FinishReason.STOP if len(answer) == len(words) else FinishReason.LENGTH,
        TokenUsage(
            input_tokens=sum(len(split_words(message.text)) for message in request.messages), output_tokens=len(answer)
        ),
    )


def split_words(text: str) -> list[str]:
    """The words of ``text``, each with the white space before it: joined they are ``text`` again."""
    return _WORD.findall(text)


async def _perform(steps: Sequence[ScriptStep]) -> AsyncGenerator[ModelEvent, None]:
    for step in steps:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, int | float):
            await asyncio.sleep(step)
        else:
            yield step
