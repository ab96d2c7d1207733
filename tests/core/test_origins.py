"""Origins of web pages."""

import pytest

from core.origins import is_origin


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example",
        "http://localhost:5173",
        "https://shop.example:8443",
        "http://127.0.0.1",
        "https://[::1]:1",
    ],
)
def test_what_browsers_send_is_one(text: str) -> None:
    assert is_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "null", "shop.example", "https://", "https://*.shop.example", "ftp://shop.example"),
        *("https://shop.example/", "https://shop.example/page", "https://Shop.example", "https://shop.example:443"),
        *("http://a@shop.example", "https://shop.example?x", "https://shop.example#x", "https://shop.example:x"),
        *("https://höfe.example", " https://shop.example", "https://a,https://b", "https://shop.example:99999"),
    ],
)
def test_nothing_else_is(text: str) -> None:
    assert not is_origin(text)
