from datetime import datetime

from pydantic import Field

from .base_model import BaseModel


class Session(BaseModel):
    access_token: str = Field(alias="accessToken")
    refresh_token: str = Field(alias="refreshToken")
    expires_at: datetime = Field(alias="expiresAt")


Session.model_rebuild()
