"""Several writes in one statement: for what belongs together, in one message to the server where there were many."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from models.base import Row
from models.database import Alone, Connection, fetch, look_up
from models.transactions import behind


class Writes:
    """What is to be written, collected first, and then sent within the caller's transaction.

    None of the writes sees what the others do, so a row is written once at most. Foreign keys are checked after all of
    them.
    """

    def __init__(self) -> None:
        self._statements: list[str] = []
        self._sizes: list[int] = []
        self._values: list[Any] = []

    def copy(self) -> "Writes":
        """The same, to which others can be added."""
        same = Writes()
        same._statements, same._sizes, same._values = [*self._statements], [*self._sizes], [*self._values]
        return same

    def insert(self, row: Row) -> None:
        """A new row."""
        self.add(*row.insertion())

    def update(self, row: Row, columns: Mapping[str, Any]) -> None:
        """These columns of a row, which are set in it at once."""
        self.add(*row.change(columns))

    def add(self, sql: str, *values: Any) -> None:
        """A statement written by hand, with ``$1, $2 ...`` for ``values``, which ends with a condition if `send_alone`
        is to send it. Nothing but the last one may be a SELECT.
        """
        self._statements.append(sql)
        self._sizes.append(len(values))
        self._values += values

    async def send(self, connection: Connection) -> None:
        """Write all of it, if there is anything. Raises IntegrityError where a constraint is violated, by any of it."""
        if self._statements:
            await fetch(connection, _joined(tuple(self._statements), tuple(self._sizes)), *self._values)

    async def send_alone(self, scope: Alone, guard: str = "SELECT true", *values: Any) -> bool:
        """Write all of it in one message to the server that is a transaction by itself.

        ``guard``, a SELECT with ``$1, $2 ...`` for ``values``, is executed first. Where it finds nothing, nothing is
        written, and false is returned. Raises as `send`.
        """
        guard, guarding = scope.scoped(guard, values)
        guarded = (f"{statement} AND EXISTS (SELECT FROM write_0)" for statement in self._statements)
        statements = (guard, *guarded, "SELECT true AS is_written FROM write_0")
        sql = _joined(statements, (len(guarding), *self._sizes, 0))
        return bool(await look_up(sql, *guarding, *self._values))


@cache
def _joined(statements: tuple[str, ...], sizes: tuple[int, ...]) -> str:
    """One statement of several, the first of which take as many parameters as ``sizes`` says."""
    parts, taken = [], 0
    for statement, size in zip(statements, sizes, strict=True):
        parts.append(behind(statement, taken))
        taken += size
    *first, last = parts
    named = (f"write_{number} AS ({statement})" for number, statement in enumerate(first))
    return f"WITH {', '.join(named)} {last}" if first else last
