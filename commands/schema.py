"""`synapse schema`: the public GraphQL schema, as committed in schema.graphql."""

from argparse import Namespace

from commands.terminal import say
from schema.schema import print_schema


def run(arguments: Namespace) -> int:
    say(print_schema(), end="")
    return 0
