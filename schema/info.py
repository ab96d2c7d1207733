"""The ``info`` argument of resolvers, with our context."""

import strawberry

from resolvers.context import Context

Info = strawberry.Info[Context, None]
