"""A GraphQL server of thirty lines that passes on what litellm streams."""

import os
from collections.abc import AsyncGenerator

import litellm
import strawberry
from strawberry.asgi import GraphQL


@strawberry.type
class TextDelta:
    text: str


@strawberry.type
class Query:
    ready: bool = True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def chat(self, model: str, message: str) -> AsyncGenerator[TextDelta, None]:
        stream = await litellm.acompletion(
            model=f"openai/{model}",
            messages=[{"role": "user", "content": message}],
            api_base=os.environ["UPSTREAM"],
            api_key="none",
            stream=True,
        )
        async for chunk in stream:
            if text := chunk.choices[0].delta.content:
                yield TextDelta(text=text)


app: GraphQL[None, None] = GraphQL(strawberry.Schema(Query, subscription=Subscription))
