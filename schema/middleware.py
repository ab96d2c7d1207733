"""What stands before the endpoint, without the steps that most requests have no need of."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ORIGIN, _VARY = b"origin", b"vary"


class Cors(CORSMiddleware):
    """Starlette's, quicker for whom it does nothing: for clients that are no web pages, and name no origin."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or any(name == _ORIGIN for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def send_varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Caches are to know that pages are told something else.
                headers = message.get("headers", ())
                varies = [value for name, value in headers if name == _VARY]
                others = [header for header in headers if header[0] != _VARY]
                message["headers"] = [*others, (_VARY, b", ".join([*varies, b"Origin"]))]
            await send(message)

        await self.app(scope, receive, send_varying)


class Straight:
    """Middleware: a request to ``path`` goes to ``endpoint`` at once, past what finds the route of others."""

    def __init__(self, app: ASGIApp, path: str, endpoint: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_for_it = scope["type"] == "http" and scope["path"] == self._path
        await (self._endpoint if is_for_it else self._app)(scope, receive, send)
