"""All settings of a process, read once at its start. Nothing else reads the environment."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """One frozen value per process; each field is read from the environment variable of its name in capitals.

    Raises:
        pydantic.ValidationError: a variable is missing or malformed; the message names it.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(description="PostgreSQL 15 or newer: postgresql://user:password@host:port/name.")
    redis_url: str | None = Field(
        default=None, description="redis://host:port/0. Needed as soon as two processes share one database."
    )
    secret_keys: SecretStr = Field(
        description="Key ring: kid:base64 of 32 random bytes, comma-separated, newest first. Signs tokens, wraps keys."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    database_pool_size: int = Field(default=20, ge=2, description="Most PostgreSQL connections of one process's pool.")
    run_concurrency: int = Field(default=64, ge=1, description="Most runs that one executor works on at once.")
    workspace_run_concurrency: int = Field(
        default=48, ge=1, description="Most runs of one workspace at once, in all executors together."
    )
    agent_run_concurrency: int = Field(
        default=32, ge=1, description="Most runs of one agent at once, in all executors together."
    )
    shutdown_grace_s: float = Field(
        default=20.0, ge=0, description="How long runs at hand may go on when the process is told to stop, in seconds."
    )
    stalled_client_timeout_s: float = Field(
        default=60.0,
        gt=0,
        description="How long a client may take nothing of what is sent to it, before it is cut off, in seconds.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("*",),
        description="Origins whose pages browsers let in, comma-separated: https://app.example; * for all.",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="Proxies whose X-Forwarded-For names the client: addresses and networks, comma-separated.",
    )
    introspection: bool = Field(
        default=False, description='Offer introspection, "did you mean" and GraphiQL; `synapse dev` does.'
    )
    operation_max_cost: int = Field(default=50_000, ge=1, description="Most that one operation may cost, in points.")
    caller_burst_cost: int = Field(
        default=200_000, ge=1, description="Most that a caller's operations may cost at once, in points."
    )
    caller_cost_per_second: int = Field(
        default=20_000, ge=1, description="What a caller's operations may cost in the long run, in points a second."
    )
    operation_timeout_s: float = Field(
        default=30.0, gt=0, description="Longest that a query or mutation may take, in seconds."
    )
    sockets_per_user: int = Field(default=100, ge=1, description="Most WebSockets of one user in one process.")
    sockets_per_address: int = Field(default=1000, ge=1, description="Most WebSockets from one address in one process.")
    access_token_minutes: int = Field(default=15, ge=1, le=60, description="Life of an access token.")
    refresh_token_days: int = Field(default=30, ge=1, description="Life of a refresh token that is not used.")
    openai_compatible_base_url: str | None = Field(
        default=None, description="An OpenAI-compatible endpoint, up to and including /v1: models openai_compatible/..."
    )
    openai_compatible_api_key: SecretStr | None = Field(default=None, description="Key for that endpoint, if it asks.")
    openai_compatible_models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Model names to list in the catalogue for that endpoint, comma-separated."
    )
    allow_private_addresses: bool = Field(
        default=False, description="Let workspaces name private addresses, such as that of an Ollama beside the server."
    )
    scripted_provider: bool = Field(
        default=False, description="Offer the scripted models (scripted/...): for tests and demonstrations."
    )
    provider_idle_timeout_s: float = Field(
        default=60.0, gt=0, description="Longest silence of a provider within one answer, in seconds."
    )
    provider_retries: int = Field(
        default=2, ge=0, le=10, description="How often a model is tried again when its provider failed for the moment."
    )
    provider_retry_pause_s: float = Field(
        default=0.5, ge=0, description="Longest pause before the first retry, in seconds; it doubles with each."
    )
    model_call_timeout_s: float = Field(
        default=1800.0, gt=0, description="Longest that a step's model call may take, with all retries, in seconds."
    )
    persisted_documents: Path | None = Field(
        default=None, description="File of documents that clients may send by hash: a persisted-documents.json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["json", "console"] = Field(default="json", description="JSON lines, or text for people.")

    @field_validator("openai_compatible_models", "allowed_origins", mode="before")
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @model_validator(mode="after")
    def _let_every_operation_in(self) -> Self:
        if self.caller_burst_cost < self.operation_max_cost:
            raise ValueError(
                "CALLER_BURST_COST must be no less than OPERATION_MAX_COST, or some could never be let in."
            )
        return self
