"""The settings, and the page that lists them."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
NEEDED = {"database_url": "postgresql://localhost/synapse", "secret_keys": "k:" + "A" * 43 + "="}


def test_the_page_lists_every_setting_with_its_default_and_description() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    expected = [
        (name.upper(), "needed" if field.is_required() else f"`{_shown(field.default)}`", field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert rows == [(name, default.replace("`none`", "none"), description) for name, default, description in expected]


def _shown(default: object) -> str:
    if default in (None, ()):
        return "none"
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_settings_do_not_change() -> None:
    settings = Settings(**NEEDED)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_secrets_are_not_shown() -> None:
    settings = Settings(**NEEDED, openai_compatible_api_key="sk-secret")  # type: ignore[arg-type]
    assert "AAAA" not in repr(settings)
    assert "sk-secret" not in repr(settings)


def test_a_list_is_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_MODELS", "llama3.2, qwen3 ,")
    assert Settings(**NEEDED).openai_compatible_models == ("llama3.2", "qwen3")  # type: ignore[arg-type]


def test_every_operation_that_is_allowed_fits_into_a_bucket() -> None:
    with pytest.raises(ValidationError, match="CALLER_BURST_COST"):
        Settings(**NEEDED, operation_max_cost=101, caller_burst_cost=100)  # type: ignore[arg-type]
