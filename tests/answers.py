"""What models answer, for tests of those who ask them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from core.events import ModelEvent
from providers.port import ModelProvider, ModelRequest


async def said_by(provider: ModelProvider, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
    """The events of an answer, one by one. Closing it closes the answer."""
    async with aclosing(provider.stream(request)) as answer:
        async for events in answer:
            for event in events:
                yield event
