"""Any endpoint that speaks OpenAI's chat-completions stream."""

from collections.abc import AsyncGenerator, Sequence

from core.events import ModelEvent
from providers.chat_completions import OWN_DIALECTS, USUAL_DIALECT, ChatCompletionsDecoder, encode_request
from providers.connections import Connections
from providers.port import ModelRequest, Take
from providers.streaming_http import StreamingEndpoint


class OpenAICompatibleProvider:
    """Adapter to ``base_url`` (up to and including ``/v1``); ``api_key`` goes into the Authorization header alone.

    ``idle_timeout_s``, ``connections``: as `StreamingEndpoint` takes them.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str = "",
        *,
        idle_timeout_s: float,
        connections: Connections | None = None,
    ) -> None:
        api_key = api_key.strip()
        self._dialect = next((own for url, own in OWN_DIALECTS.items() if base_url.startswith(url)), USUAL_DIALECT)
        self._endpoint = StreamingEndpoint(
            f"{base_url.rstrip('/')}/chat/completions",
            {"Authorization": f"Bearer {api_key}"} if api_key else {},
            api_key,
            idle_timeout_s=idle_timeout_s,
            connections=connections,
        )

    def stream(self, request: ModelRequest, take: Take | None = None) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """See `providers.port.ModelProvider.stream`."""
        return self._endpoint.stream(encode_request(request, self._dialect), ChatCompletionsDecoder(), take)

    async def aclose(self) -> None:
        """See `StreamingEndpoint.aclose`."""
        await self._endpoint.aclose()
