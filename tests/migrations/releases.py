"""Databases as older versions of Synapse left them: their schema, and rows that were written under it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models import migrate
from models.database import open_connection

ROWS = Path(__file__).parent / "rows"
TABLES = """
SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'aerich'
"""


@contextmanager
def migrations_up_to(newest: str) -> Iterator[Path]:
    """A folder with the migrations that there were when ``newest`` was the newest one."""
    known = migrate.known_migrations()
    with TemporaryDirectory(prefix="synapse-test-migrations-") as folder:
        Path(folder, migrate.APP).mkdir()
        for name in known[: known.index(newest) + 1]:
            Path(folder, migrate.APP, name).symlink_to(migrate.MIGRATIONS / migrate.APP / name)
        yield Path(folder)


async def fill(admin_url: str, migration: str) -> None:
    """Insert the rows that go with a migration, those of ``rows/<its number>.json``, if it has any.

    They are as a real server of that version wrote them; each table's are an array of objects.
    """
    file = ROWS / f"{migration.split('_', 1)[0]}.json"
    if not file.exists():
        return
    connection = await open_connection(admin_url)
    for table, rows in json.loads(file.read_text()).items():
        await connection.execute(
            f'INSERT INTO "{table}" SELECT * FROM jsonb_populate_recordset(NULL::"{table}", $1)', json.dumps(rows)
        )
    await connection.close()


async def rows_of(admin_url: str) -> dict[str, list[dict[str, Any]]]:
    """All rows, by table. Needs a superuser, whom no policy keeps from seeing them."""
    connection = await open_connection(admin_url)
    tables = [record["relname"] for record in await connection.fetch(TABLES)]
    rows = {
        table: [
            json.loads(record["row"])
            for record in await connection.fetch(f'SELECT to_jsonb(t) AS row FROM "{table}" t')
        ]
        for table in tables
    }
    await connection.close()
    return rows
