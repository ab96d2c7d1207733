"""Providers through litellm, which knows their wire formats and more than a hundred others.

Its import takes seconds and some 190 MB, so it happens with the first call, or ahead of it by `LiteLLM.warm_up`, in a
thread.
"""

import asyncio
import importlib
import logging
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import cache
from typing import Any

import aiohttp

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage
from providers.chat_completions import FINISH_REASONS, request_body
from providers.connections import AbruptConnector, Connections, hang_up, noting_answers
from providers.credentials import Credential
from providers.guard import guarding
from providers.json_fields import text_of
from providers.litellm_failures import failure_of_exception
from providers.port import ModelRequest, Take
from providers.tool_calls import ToolCallAssembler

# Its providers that may call with what the server's own machine is allowed, whatever key a workspace has set: cloud
# accounts, credential files, tokens in the environment.
AMBIENT_PROVIDERS = frozenset(
    {
        "a2a",
        "a2a_agent",
        "amazon_nova",
        "auto_router",
        "aws_polly",
        "aws_textract",
        "azure",
        "azure_ai",
        "azure_text",
        "bedrock",
        "bedrock_mantle",
        "chatgpt",
        "custom",
        "databricks",
        "dotprompt",
        "gdc",
        "gigachat",
        "github_copilot",
        "humanloop",
        "langfuse",
        "litellm_agent",
        "oci",
        "petals",
        "sagemaker",
        "sagemaker_chat",
        "sagemaker_nova",
        "sap",
        "strands_decider",
        "vertex_ai",
        "vertex_ai_beta",
        "vllm",
        "watsonx",
        "watsonx_text",
    }
)
_BOOKKEEPING = ("dispatch_success_handlers", "dispatch_failure_handlers")
_GEMINI = "litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini"
# What its first call and its first failure would load, in the midst of the event loop, for a second or more.
_LOADED_LATE = (
    "litellm._service_logger",
    "litellm.litellm_core_utils.default_encoding",
    "litellm.llms.vertex_ai.context_caching.vertex_ai_context_caching",
    "litellm.proxy._types",
    "litellm.proxy.guardrails.exception_utils",
)
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks a server for prices as it is imported
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",  # else it reads a file .env of the folder that the process runs in
    "NO_PROXY": "*",  # a proxy would look up by itself what tenants name, and judge no address
    "no_proxy": "*",
}


class LiteLLM:
    """litellm in this process, imported with its first use."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._anthropic_client: Any = None

    def guarding(self) -> AbstractContextManager[None]:
        """Holds litellm's own connections, too, to the addresses that are open to ours."""
        return guarding(self._connections.public_only)

    async def warm_up(self) -> None:
        """Import litellm; again without effect."""
        await asyncio.to_thread(_litellm)

    async def stream(self, family: str, **arguments: Any) -> tuple[Any, list[aiohttp.ClientResponse]]:
        """litellm's own stream of an answer, and the HTTP answers it reads, where they are ours to hang up.

        Closing its stream closes the connection, but for Anthropic's, which is therefore made over our own session.
        """
        litellm = _litellm()
        if family == "anthropic":
            if self._anthropic_client is None:
                handler = importlib.import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
                self._anthropic_client = handler(shared_session=self._connections.session)
            arguments["client"] = self._anthropic_client
        with noting_answers() as answers:
            # Its handler of tools that are MCP servers needs a package more, and our tools are none.
            return await litellm.acompletion(
                custom_llm_provider=family, max_retries=0, num_retries=0, _skip_mcp_handler=True, **arguments
            ), answers

    def family_of(self, model: str) -> str:
        """Which of litellm's providers serves ``model``, a name as litellm has it.

        Raises:
            ProviderFailed: none does, or one that may not be called.
        """
        # Asked of some of these, litellm would sign in to them at once.
        family = model.partition("/")[0]
        if family not in AMBIENT_PROVIDERS:
            family = _family_of(model)
        if family in AMBIENT_PROVIDERS:
            message = f"litellm's provider {family} is not offered: it would use credentials of the server itself."
            raise ProviderFailed(message, retryable=False)
        return family


def _family_of(model: str) -> str:
    litellm = _litellm()
    try:
        family: str = litellm.get_llm_provider(model)[1]
    except litellm.BadRequestError:
        message = f"litellm knows no provider of {model}: its names begin with one, as in groq/llama-3.3-70b."
        raise ProviderFailed(message, retryable=False) from None
    return family


async def _keep_no_books(*arguments: Any, **options: Any) -> None:
    """In place of working out prices, for which litellm would ask a server of Ollama's and block the event loop."""


@cache
def _litellm() -> Any:
    os.environ.update(_ENVIRONMENT)
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True  # it prints advice on standard output
    litellm.drop_params = True  # what a provider has no word for is left out rather than refused
    for handler in _BOOKKEEPING:
        setattr(importlib.import_module("litellm.litellm_core_utils.litellm_logging").Logging, handler, _keep_no_books)
    vars(importlib.import_module("litellm.llms.custom_httpx.http_handler"))["TCPConnector"] = AbruptConnector
    _mark_ends(importlib.import_module(_GEMINI).ModelResponseIterator)
    for module in _LOADED_LATE:
        importlib.import_module(module)
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        # What fails is raised; its log lines repeat requests, and so what users wrote.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm


def _mark_ends(gemini: Any) -> None:
    """Have the parser of Gemini's chunks note whether the answer was ended: litellm reads "stop" into each of them."""
    parse = gemini.chunk_parser

    def chunk_parser(self: Any, chunk: dict[str, Any]) -> Any:
        if "promptFeedback" in chunk or any("finishReason" in each for each in chunk.get("candidates") or ()):
            self.ended = True
        return parse(self, chunk)

    gemini.ended, gemini.chunk_parser = False, chunk_parser


class LiteLLMProvider:
    """Adapter to litellm's providers; the name of each model begins with that of its provider, or litellm knows it.

    ``idle_timeout_s``: the longest silence within one answer, before its first token too.
    """

    def __init__(self, litellm: LiteLLM, credential: Credential, *, idle_timeout_s: float) -> None:
        self._litellm = litellm
        self._credential = credential
        self._idle_timeout_s = idle_timeout_s

    async def stream(
        self, request: ModelRequest, take: Take | None = None
    ) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """See `providers.port.ModelProvider.stream`; nothing is offered to ``take``."""
        await self._litellm.warm_up()
        answer, chunks = _Answer(), None
        responses: list[aiohttp.ClientResponse] = []
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                with self._litellm.guarding():
                    chunks, responses = await self._begin(request)
            while answer.reason is None and (chunk := await self._next(chunks)) is not None:
                events: list[ModelEvent] = []
                try:
                    events.extend(answer.take(chunk))
                finally:  # What came before a failure is told first.
                    if events:
                        yield events
            usage = _usage(chunks.chunks) or await self._late_usage(chunks)
            yield list(answer.finish(chunks, usage))
        except Exception as error:
            raise failure_of_exception(error, self._credential.api_key) from None
        finally:
            for response in responses:
                await hang_up(response)
            if chunks is not None:
                await chunks.aclose()
            await asyncio.sleep(0)  # what was closed, the loop closes in its next round

    async def aclose(self) -> None:
        """Nothing to release: the connections are not its own."""

    async def _begin(self, request: ModelRequest) -> tuple[Any, list[aiohttp.ClientResponse]]:
        family = self._litellm.family_of(request.model)
        return await self._litellm.stream(
            family,
            **request_body(replace(request, model=request.model.removeprefix(f"{family}/"))),
            # Without a key it would look for one in the server's environment.
            api_key=self._credential.api_key or "none",
            api_base=self._credential.base_url,
        )

    async def _next(self, chunks: Any) -> Any:
        async with asyncio.timeout(self._idle_timeout_s):
            with self._litellm.guarding():  # some providers are called only now
                return await anext(chunks, None)

    async def _late_usage(self, chunks: Any) -> TokenUsage | None:
        """The usage of a finished answer, where it comes after the end, as OpenAI sends it.

        Read beneath litellm, which at its own end would count for itself, and ask model servers about prices.
        """
        late: list[Any] = []
        # The answer is complete, whatever becomes of its connection.
        with suppress(Exception), self._litellm.guarding():
            async with asyncio.timeout(self._idle_timeout_s):
                async for chunk in chunks.completion_stream:
                    late.append(chunk)  # what came before a failure counts
        return _usage(late)


class _Answer:
    """Turns litellm's chunks, which have the shape of OpenAI's, into events."""

    def __init__(self) -> None:
        self._calls = ToolCallAssembler()
        self.reason: FinishReason | None = None

    def take(self, chunk: Any) -> Iterator[ModelEvent]:
        for choice in chunk.choices[:1]:
            delta = choice.delta
            if reasoning := text_of(getattr(delta, "reasoning_content", None)):
                yield ReasoningDelta(reasoning)
            if text := text_of(delta.content):
                yield TextDelta(text)
            for call in delta.tool_calls or ():
                function = call.function
                self._calls.take(
                    call.index or 0,
                    text_of(call.id),
                    text_of(function.name),
                    text_of(function.arguments),
                    call_prefix=text_of(chunk.id),
                )
            if choice.finish_reason is not None:
                self.reason = FINISH_REASONS.get(choice.finish_reason, FinishReason.STOP)

    def finish(self, chunks: Any, usage: TokenUsage | None) -> Iterator[ModelEvent]:
        """The end of the answer that ``chunks`` was. litellm makes one up where the provider sent none."""
        told = chunks.received_finish_reason or chunks.intermittent_finish_reason
        if self.reason is None or not getattr(chunks.completion_stream, "ended", told):
            raise ProviderFailed("The provider's answer broke off.", retryable=True)
        calls, reason = self._calls.finish(self.reason)
        yield from calls
        yield ModelFinished(reason, usage)


def _usage(chunks: list[Any]) -> TokenUsage | None:
    """The provider's own count. It may come in parts, of which the largest count."""
    usages = [usage for chunk in chunks if (usage := getattr(chunk, "usage", None)) is not None]
    if not usages:
        return None
    details = [getattr(usage, "prompt_tokens_details", None) for usage in usages]
    return TokenUsage(
        input_tokens=max(usage.prompt_tokens or 0 for usage in usages),
        output_tokens=max(usage.completion_tokens or 0 for usage in usages),
        cached_tokens=max(getattr(detail, "cached_tokens", None) or 0 for detail in details),
    )
