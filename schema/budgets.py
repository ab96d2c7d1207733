"""Budgets: hard limits on what may be spent."""

from decimal import Decimal
from enum import StrEnum

import strawberry

from core.ids import IdPrefix
from schema.enums import publish_enum
from schema.nodes import Node


class BudgetWindow(StrEnum):
    """How long a budget lasts."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"
    TOTAL = "TOTAL"


publish_enum(
    BudgetWindow,
    "How long a budget lasts before it begins anew.",
    HOUR="A clock hour in UTC.",
    DAY="A day in UTC.",
    MONTH="A calendar month in UTC.",
    TOTAL="For ever.",
)


@strawberry.type(
    description="A hard limit: a call that could pass it is not made. Spent and reserved are exact at every moment."
)
class Budget(Node, prefix=IdPrefix.BUDGET):
    name: str = strawberry.field(description="Unique among the subject's budgets.")
    window: BudgetWindow = strawberry.field(description="How long it lasts before it begins anew.")
    limit_usd: Decimal = strawberry.field(description="The most that may be spent within a window, in US dollars.")
    spent_usd: Decimal = strawberry.field(description="Spent in the current window, in US dollars.")
    reserved_usd: Decimal = strawberry.field(description="Set aside for calls under way, in US dollars.")
    subject: Node = strawberry.field(description="What it covers: the workspace, or one agent or API key.")
