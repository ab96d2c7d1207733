"""Migrations are applied while servers of the version before go on: what would break those must say so by its name."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from models import migrate

# What older code may still use.
TAKES_AWAY = re.compile(
    r"\bDROP\s+(TABLE|COLUMN|SCHEMA|FUNCTION)\b|\bRENAME\b|\bALTER\s+COLUMN\s+\S+\s+TYPE\b|\bSET\s+NOT\s+NULL\b", re.I
)
# What older code does not know that it has to give.
ADDS_MANDATORY = re.compile(r"\bADD\b.*\bNOT\s+NULL\b", re.I | re.S)
LATER = migrate.known_migrations()[1:]


def breaks_older_code(sql: str) -> bool:
    return any(
        TAKES_AWAY.search(statement) or (ADDS_MANDATORY.search(statement) and "DEFAULT" not in statement.upper())
        for statement in sql.split(";")
        if not statement.lstrip().upper().startswith(("CREATE TABLE", "COMMENT"))
    )


async def sql_of(name: str) -> str:
    spec = spec_from_file_location("migration", migrate.MIGRATIONS / migrate.APP / name)
    assert spec is not None
    assert spec.loader is not None
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    sql: str = await module.upgrade(None)
    return sql


@pytest.mark.parametrize("name", LATER)
async def test_migrations_that_break_older_code_are_named_so(name: str) -> None:
    assert breaks_older_code(await sql_of(name)) == name.split("_", 2)[-1].startswith("contract_")


@pytest.mark.parametrize(
    ("sql", "breaks"),
    [
        ('ALTER TABLE "runs" DROP COLUMN "input"', True),
        ('DROP TABLE IF EXISTS "runs"', True),
        ('ALTER TABLE "runs" RENAME COLUMN "input" TO "task"', True),
        ('ALTER TABLE "runs" ALTER COLUMN "input" TYPE TEXT USING "input"::TEXT', True),
        ('ALTER TABLE "runs" ALTER COLUMN "input" SET NOT NULL', True),
        ('ALTER TABLE "runs" ADD "team_id" UUID NOT NULL', True),
        ('ALTER TABLE "runs" ADD "priority" INT NOT NULL DEFAULT 0', False),
        ('ALTER TABLE "runs" ADD "priority" INT DEFAULT 0 NOT NULL', False),
        ('ALTER TABLE "runs" ADD "team_id" UUID', False),
        ('CREATE TABLE "teams" ("id" UUID NOT NULL PRIMARY KEY)', False),
        ('CREATE INDEX "idx_runs_team" ON "runs" ("team_id")', False),
        ('DROP POLICY tenant ON "runs"; CREATE POLICY tenant ON "runs" USING (true)', False),
    ],
)
def test_what_breaks_older_code_is_recognised(sql: str, breaks: bool) -> None:
    assert breaks_older_code(sql) is breaks
