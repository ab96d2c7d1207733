"""Origins of web pages, as browsers write them: https://html.spec.whatwg.org/multipage/browsers.html#origin"""

from urllib.parse import urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}


def is_origin(text: str) -> bool:
    """Whether a browser would send this for the origin of a page: ``https://shop.example``, ``http://localhost:5173``."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    host = url.hostname or ""
    if url.scheme not in _USUAL_PORTS or not host or not text.isascii() or port == _USUAL_PORTS[url.scheme]:
        return False
    netloc = f"[{host}]" if ":" in host else host
    return text == f"{url.scheme}://{netloc}{f':{port}' if port is not None else ''}" and not set(text) & set(" *,%")
