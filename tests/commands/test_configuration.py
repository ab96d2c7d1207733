"""Settings as commands read them."""

import pytest

from commands.configuration import read_settings
from commands.terminal import CommandFailed


def test_the_environment_goes_before_a_commands_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://from.the.environment/synapse")
    monkeypatch.delenv("PORT", raising=False)
    settings = read_settings(database_url="", secret_keys="", port=4000)
    assert settings.database_url == "postgresql://from.the.environment/synapse"
    assert settings.port == 4000


def test_a_complaint_names_each_variable_and_gives_no_secret_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("SECRET_KEYS", "hush")
    monkeypatch.setenv("PORT", "eighty")
    with pytest.raises(CommandFailed) as failure:
        read_settings()
    message = str(failure.value)
    assert "DATABASE_URL: Field required" in message
    assert "PORT: Input should be a valid integer" in message
    assert "hush" not in message
    assert "\n" not in message
    assert failure.value.exit_code == 2
