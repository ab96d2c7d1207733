"""A GraphQL server of thirty lines that passes on what the openai SDK streams."""

import os
from collections.abc import AsyncGenerator

import openai
import strawberry
from strawberry.asgi import GraphQL

provider = openai.AsyncOpenAI(base_url=os.environ["UPSTREAM"], api_key="none")


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
        stream = await provider.chat.completions.create(
            model=model, messages=[{"role": "user", "content": message}], stream=True
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield TextDelta(text=text)


app: GraphQL[None, None] = GraphQL(strawberry.Schema(Query, subscription=Subscription))
