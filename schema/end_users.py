"""The end users of workspaces: whom these serve on their own pages."""

from datetime import datetime
from typing import Annotated

import strawberry

from core.ids import IdPrefix
from models.end_users import EndUser as EndUserRow
from resolvers import end_users
from schema.errors import ForbiddenError, NotFoundError, ValidationError
from schema.fields import Input, mutation
from schema.info import Info
from schema.nodes import Node


@strawberry.type(description="Somebody whom a workspace serves on its own pages.")
class EndUser(Node, prefix=IdPrefix.END_USER, table=EndUserRow):
    external_id: str = strawberry.field(description="What the workspace's own server calls them.")
    created_at: datetime = strawberry.field(description="When the first token was made for them.")


@strawberry.input(description="A token to make, by the workspace's own server once it knows who uses its page.")
class CreateEndUserTokenInput:
    workspace_id: strawberry.ID = strawberry.field(description="Whose page it is.")
    external_id: str = strawberry.field(
        description="What the server calls that person, the same each time: 1 to 255 characters. For visitors without "
        "an account, what it has given their browser."
    )
    lifetime_seconds: int = strawberry.field(default=3600, description="How long it is good: 1 to 86,400 seconds.")


@strawberry.type(description="Give it to the page, which sends it beside a browser key, as `X-End-User-Token`.")
class CreateEndUserTokenPayload:
    token: str = strawberry.field(description="Says who uses the page.")
    expires_at: datetime = strawberry.field(description="When it is no longer good. It can't be taken back before.")
    end_user: EndUser = strawberry.field(description="For whom it is.")


CreateEndUserTokenResult = Annotated[
    CreateEndUserTokenPayload | ValidationError | ForbiddenError | NotFoundError,
    strawberry.union("CreateEndUserTokenResult", description="What came of createEndUserToken."),
]


@strawberry.type
class EndUserMutation:
    @mutation("Make a token for an end user, whom the first one makes. Needs the role EDITOR, or the scope END_USERS.")
    async def create_end_user_token(
        self, info: Info, input: Input[CreateEndUserTokenInput]
    ) -> CreateEndUserTokenResult:
        made = await end_users.mint_token(info.context, input.workspace_id, input.external_id, input.lifetime_seconds)
        return CreateEndUserTokenPayload(
            token=made.token, expires_at=made.expires_at, end_user=EndUser.of(made.end_user)
        )
