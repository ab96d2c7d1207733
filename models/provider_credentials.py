"""What workspaces give us to call their model providers with."""

from tortoise import fields

from core.envelopes import Envelope, Place
from models.base import TenantRow

KEY_COLUMNS = ("kid", "wrapped_data_key", "encrypted_key")


class ProviderCredential(TenantRow):
    """A provider's key, in an envelope, and its address where that is not the usual one."""

    provider = fields.CharField(max_length=32)
    name = fields.CharField(max_length=64)
    base_url: str | None = fields.TextField(null=True)
    kid = fields.CharField(max_length=32, null=True, description="Which of SECRET_KEYS wraps the data key.")
    wrapped_data_key = fields.BinaryField(null=True)
    encrypted_key = fields.BinaryField(null=True)
    key_hint = fields.CharField(max_length=4, null=True, description="The key's last characters.")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "provider_credentials"
        unique_together = (("workspace_id", "provider", "name"),)

    @property
    def place(self) -> Place:
        """Where the key's envelope belongs."""
        return ("provider credential", str(self.workspace_id), self.provider, self.name)

    @property
    def envelope(self) -> Envelope | None:
        """The encrypted key; None where the provider asks for none."""
        if self.kid is None or self.wrapped_data_key is None or self.encrypted_key is None:
            return None
        return Envelope(self.kid, bytes(self.wrapped_data_key), bytes(self.encrypted_key))

    @envelope.setter
    def envelope(self, envelope: Envelope | None) -> None:
        self.kid = envelope.kid if envelope else None
        self.wrapped_data_key = envelope.wrapped_key if envelope else None
        self.encrypted_key = envelope.ciphertext if envelope else None
