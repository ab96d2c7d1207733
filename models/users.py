"""People."""

from tortoise import fields

from models.base import Row


class User(Row):
    """A person with a password. ``email`` is normalised: compared, and unique, without regard to case."""

    email = fields.CharField(max_length=320, unique=True)
    name = fields.CharField(max_length=200)
    password_hash = fields.CharField(max_length=200, description="argon2id, in PHC string format.")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "users"
