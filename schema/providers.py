"""Who serves models."""

from providers.catalogue import ProviderName
from schema.enums import publish_enum

# From here, so that it is published before a type is made that has it.
__all__ = ["ProviderName"]

publish_enum(
    ProviderName,
    "Who serves a model. A model's name begins with it, in lower case.",
    name="Provider",
    OPENAI="OpenAI.",
    ANTHROPIC="Anthropic.",
    GOOGLE="Google.",
    MISTRAL="Mistral.",
    XAI="xAI.",
    OLLAMA="An Ollama server.",
    LOCAL="A model that the server itself runs; needs no key.",
    OPENAI_COMPATIBLE="Any other endpoint that speaks OpenAI's chat completions.",
    LITELLM="Any other that litellm knows, as litellm/ITS_NAME.",
    SCRIPTED="Scripted answers, for tests and demonstrations; only where the server is set up to offer them.",
)
