from decimal import Decimal
from typing import Optional

from pydantic import Field

from .base_model import BaseModel


class Usage(BaseModel):
    workspace: Optional["UsageWorkspace"]


class UsageWorkspace(BaseModel):
    usage: "UsageWorkspaceUsage"


class UsageWorkspaceUsage(BaseModel):
    totals: "UsageWorkspaceUsageTotals"
    groups: list["UsageWorkspaceUsageGroups"]


class UsageWorkspaceUsageTotals(BaseModel):
    runs: int
    input_tokens: int = Field(alias="inputTokens")
    output_tokens: int = Field(alias="outputTokens")
    cost_usd: Decimal = Field(alias="costUsd")


class UsageWorkspaceUsageGroups(BaseModel):
    label: str
    totals: "UsageWorkspaceUsageGroupsTotals"


class UsageWorkspaceUsageGroupsTotals(BaseModel):
    llm_calls: int = Field(alias="llmCalls")
    cost_usd: Decimal = Field(alias="costUsd")


Usage.model_rebuild()
UsageWorkspace.model_rebuild()
UsageWorkspaceUsage.model_rebuild()
UsageWorkspaceUsageGroups.model_rebuild()
