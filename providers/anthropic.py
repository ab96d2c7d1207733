"""Anthropic, and whatever else speaks its messages."""

from collections.abc import AsyncGenerator, Sequence

from core.events import ModelEvent
from providers.catalogue import ProviderName
from providers.connections import Connections
from providers.messages import MessagesDecoder, encode_request
from providers.model_facts import model_facts
from providers.port import ModelRequest, Take
from providers.streaming_http import StreamingEndpoint

VERSION = "2023-06-01"
# Of models that nothing is known of; every model can write so many.
FEWEST_OUTPUT_TOKENS = 4096


class AnthropicProvider:
    """Adapter to ``base_url``, below which ``/v1/messages`` lies; ``api_key`` goes into one header alone.

    ``idle_timeout_s``, ``connections``: as `StreamingEndpoint` takes them.
    """

    def __init__(
        self, base_url: str, api_key: str, *, idle_timeout_s: float, connections: Connections | None = None
    ) -> None:
        self._endpoint = StreamingEndpoint(
            f"{base_url.rstrip('/').removesuffix('/v1')}/v1/messages",
            {"x-api-key": api_key.strip(), "anthropic-version": VERSION},
            api_key.strip(),
            idle_timeout_s=idle_timeout_s,
            connections=connections,
        )

    def stream(self, request: ModelRequest, take: Take | None = None) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """See `providers.port.ModelProvider.stream`."""
        facts = model_facts().get(ProviderName.ANTHROPIC.model(request.model))
        most = facts.output_tokens if facts is not None else None
        body = encode_request(request, most_output_tokens=most or FEWEST_OUTPUT_TOKENS)
        return self._endpoint.stream(body, MessagesDecoder(), take)

    async def aclose(self) -> None:
        """See `StreamingEndpoint.aclose`."""
        await self._endpoint.aclose()
