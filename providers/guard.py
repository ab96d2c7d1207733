"""Keeps addresses that tenants name from leading into the server's own network: server-side request forgery.

What is judged is the address that a socket is about to connect to, after names were resolved. So it does not matter how
an address is written, what a name led to a moment ago, or where a redirection goes.
"""

import asyncio
import importlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from ipaddress import ip_address
from typing import Any

from aiohappyeyeballs import AddrInfoType

from core.addresses import is_public
from core.errors import ProviderFailed

_guarding: ContextVar[bool] = ContextVar("_guarding", default=False)


class PrivateAddress(OSError):
    """A connection was about to be opened to an address that is not public."""


def require_public(address: str) -> None:
    """Raises PrivateAddress unless ``address``, in its canonical form, is a public one."""
    try:
        public = is_public(ip_address(address))
    except ValueError:
        public = False
    if not public:
        raise PrivateAddress(f"{address} is not a public address")


def guarded_socket(address: AddrInfoType) -> socket.socket:
    """A socket to connect to ``address`` with: for ``aiohttp.TCPConnector(socket_factory=...)``.

    Raises:
        PrivateAddress: the address is not public.
    """
    family, kind, protocol, _, where = address
    require_public(where[0])
    return socket.socket(family, kind, protocol)


def refusal_in(error: BaseException | None) -> ProviderFailed | None:
    """What to tell of ``error`` if a private address lies beneath it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, PrivateAddress):
            return ProviderFailed("The base URL leads to an address that is not public.", retryable=False)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def guarding(wanted: bool) -> Iterator[None]:
    """Within the block, if ``wanted``, libraries that open connections of their own connect to public addresses only.

    They are watched from the first use on: aiohttp, httpx (by its httpcore) and requests (by its urllib3).
    """
    if not wanted:
        yield
        return
    _watch_libraries()
    token = _guarding.set(True)
    try:
        yield
    finally:
        _guarding.reset(token)


@cache
def _watch_libraries() -> None:
    happy_eyeballs: Any = importlib.import_module("aiohappyeyeballs")
    httpcore: Any = importlib.import_module("httpcore")
    urllib3: Any = importlib.import_module("urllib3.util.connection")
    happy_eyeballs.start_connection = _watch_sockets(happy_eyeballs.start_connection)
    httpcore.AnyIOBackend.connect_tcp = _watch_async(httpcore.AnyIOBackend.connect_tcp)
    httpcore.SyncBackend.connect_tcp = _watch_sync(httpcore.SyncBackend.connect_tcp)
    urllib3.create_connection = _watch_create_connection(urllib3.create_connection)


def _watch_sockets(start_connection: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(start_connection)
    async def watched(addr_infos: Any, *arguments: Any, **options: Any) -> Any:
        if _guarding.get():
            for info in addr_infos:
                require_public(info[4][0])
        return await start_connection(addr_infos, *arguments, **options)

    return watched


def _watch_async(connect_tcp: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect_tcp)
    async def watched(backend: Any, host: str, port: int, *arguments: Any, **options: Any) -> Any:
        if _guarding.get():
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            host = _public_one(found)
        return await connect_tcp(backend, host, port, *arguments, **options)

    return watched


def _watch_sync(connect_tcp: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect_tcp)
    def watched(backend: Any, host: str, port: int, *arguments: Any, **options: Any) -> Any:
        if _guarding.get():
            host = _public_one(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return connect_tcp(backend, host, port, *arguments, **options)

    return watched


def _watch_create_connection(create_connection: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(create_connection)
    def watched(address: tuple[str, int], *arguments: Any, **options: Any) -> Any:
        if _guarding.get():
            host, port = address
            address = (_public_one(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)), port)
        return create_connection(address, *arguments, **options)

    return watched


def _public_one(found: list[Any]) -> str:
    """The first of the addresses that a name has: the one to connect to, so that it is not looked up again.

    Raises:
        PrivateAddress: one of them is not public.
    """
    for info in found:
        require_public(info[4][0])
    address: str = found[0][4][0]
    return address
