"""`synapse worker`: executes runs, and serves nobody."""

import asyncio
from argparse import Namespace

import structlog

from asgi import running  # noqa: TID251 - the command line is an entry point too
from commands.configuration import read_settings
from commands.garbage import spare_what_is_loaded
from commands.signals import run_until_stopped
from core.logs import configure_logs
from core.settings import Settings
from models.database import require_reachable

_log = structlog.get_logger(__name__)


def run(arguments: Namespace) -> int:
    settings = read_settings()
    run_until_stopped(lambda: _work(settings), second_kills=True)
    return 0


async def _work(settings: Settings) -> None:
    configure_logs(settings.log_level, settings.log_format)
    await require_reachable(settings.database_url)
    async with running(settings, with_executor=True):
        spare_what_is_loaded()
        _log.info("waiting for runs")
        await asyncio.Event().wait()
