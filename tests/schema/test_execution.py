"""What the executor keeps, and what the schema shows of defaults."""

from graphql import parse
from graphql.execution import Executor as CoreExecutor

from schema.execution import Schema
from schema.executor import Executor
from schema.schema import print_schema
from tests.e2e.endpoint import Mutation, Query, Subscription


def test_nothing_is_kept_of_an_event_once_it_is_sent() -> None:
    """graphql-core's own executor adds to a dict that all events of a subscription share."""
    schema = Schema(Query, Mutation, Subscription)
    document = "subscription { ticks(to: 1) { number } }"
    for executor_class, shared in ((CoreExecutor, True), (Executor, False)):
        executor = executor_class.build(schema._schema, parse(document))
        assert isinstance(executor, executor_class)
        assert (executor.build_per_event_executor(None)._relevant_sub_fields is executor._relevant_sub_fields) is shared


def test_what_may_be_left_out_shows_no_default() -> None:
    assert "= null" not in print_schema()
