"""The command line, `synapse COMMAND ...`: reads the arguments, and leaves the rest to `commands`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from commands.defaults import LOCAL_MODEL, URL
from commands.terminal import CommandFailed, complain
from core.errors import SynapseError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 1 when it failed, 2 for wrong arguments or settings."""
    arguments = _parser().parse_args(argv)
    try:
        # Loaded only when asked for: the client needs nothing of the server, which takes seconds to import.
        exit_code: int = import_module(f"commands.{arguments.command.replace('-', '_')}").run(arguments)
        return exit_code
    except CommandFailed as error:
        complain(str(error))
        return error.exit_code
    except SynapseError as error:
        complain(error.message)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="synapse",
        description="A typed GraphQL backend for products with AI agents.",
        epilog="serve, worker and migrate are configured by environment variables: docs/settings.md lists them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_server_commands(commands)
    _add_client_commands(commands)
    return parser


def _add_server_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    dev = commands.add_parser("dev", help="run all of it here, with a PostgreSQL of its own and a demo workspace")
    dev.add_argument("--data", default=".synapse", metavar="FOLDER", help="where it keeps its data (default: .synapse)")
    dev.add_argument("--port", type=int, help="port to listen on, 0 for a free one (default: PORT, or 8000)")

    serve = commands.add_parser("serve", help="serve the API and execute runs")
    serve.add_argument("--no-executor", dest="executor", action="store_false", help="leave the runs to workers")

    commands.add_parser("worker", help="execute runs, without an API")
    commands.add_parser("migrate", help="bring the database to the schema of this version; again without harm")
    commands.add_parser("rotate-keys", help="protect stored secrets with the newest of SECRET_KEYS; again without harm")
    commands.add_parser("schema", help="print the GraphQL schema")


def _add_client_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    chat = commands.add_parser(
        "chat",
        help="talk to a model through the API of a running server",
        description="Talks to an agent through the API, by default as the account that `synapse dev` makes. "
        "Exits with 0 if the run succeeded and its whole text arrived.",
    )
    chat.add_argument("--url", default=URL, help="the server's address (default: %(default)s)")
    chat.add_argument("--email", help="account to sign in to, or to make")
    chat.add_argument("--password", help="its password; asked for when left out")
    chat.add_argument("--sign-up", action="store_true", help="make a new account")
    chat.add_argument("--model", default=LOCAL_MODEL, help="provider/model to talk to (default: %(default)s)")
    chat.add_argument("--message", help="the one message to send (default: standard input, or a conversation)")

    commands.add_parser("demo", help="watch a real model answer, on a server that is gone afterwards")


if __name__ == "__main__":
    sys.exit(main())
