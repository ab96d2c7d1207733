"""Row-level security, asked of PostgreSQL's own catalogue and tried with two tenants."""

import pytest

from core.ids import new_id
from core.permissions import Role
from models.database import APP_ROLE, fetch, open_connection, reading, transaction
from models.users import User
from models.workspaces import Membership, Workspace

pytestmark = pytest.mark.usefixtures("pool")

UNPROTECTED_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'aerich'
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
"""
GRANTED_PARTITIONS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relispartition AND c.relkind = 'r'
  AND has_table_privilege($1, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
"""
TABLES_WITH_WORKSPACE_BUT_NO_TENANT_POLICY = """
SELECT a.attrelid::regclass::text AS relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND a.attname = 'workspace_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant')
"""


async def make_tenant() -> tuple[User, Workspace]:
    user_id, workspace_id = new_id(), new_id()
    async with transaction([workspace_id], user_id=user_id):
        user = await User.create(id=user_id, email=f"{user_id}@example.com", name="Ada", password_hash="-")
        workspace = await Workspace.create(id=workspace_id, name="Lab", slug=f"lab-{workspace_id}")
        await Membership.create(workspace_id=workspace_id, user_id=user_id, role=Role.OWNER)
    return user, workspace


async def test_every_table_has_forced_row_level_security_and_a_policy(database_url: str) -> None:
    connection = await open_connection(database_url)
    tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert tables > 10
    assert await connection.fetch(UNPROTECTED_TABLES) == []
    assert await connection.fetch(TABLES_WITH_WORKSPACE_BUT_NO_TENANT_POLICY) == []
    await connection.close()


async def test_partitions_grant_the_application_nothing(database_url: str) -> None:
    connection = await open_connection(database_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'") > 0
    assert await connection.fetch(GRANTED_PARTITIONS, APP_ROLE) == []
    await connection.close()


async def test_the_application_role_can_bypass_nothing_and_owns_nothing(database_url: str) -> None:
    connection = await open_connection(database_url)
    [role] = await connection.fetch("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1", APP_ROLE)
    owned = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE tableowner = $1", APP_ROLE)
    await connection.close()
    assert (role["rolsuper"], role["rolbypassrls"], owned) == (False, False, 0)


async def test_without_a_scope_there_are_no_rows() -> None:
    await make_tenant()
    async with transaction() as connection:
        assert await fetch(connection, "SELECT id FROM workspaces") == []
        assert await fetch(connection, "SELECT id FROM users") == []
        assert await fetch(connection, "SELECT id FROM memberships") == []


@pytest.mark.parametrize("without", ["nestloop", "hashjoin", "mergejoin", "material", "seqscan", "indexscan"])
async def test_who_reads_alone_has_the_scope_set_before_anything_is_read_whatever_the_plan(without: str) -> None:
    ada, lab = await make_tenant()
    bob, other = await make_tenant()
    sql = """
    SELECT w.id, u.id AS user_id FROM workspaces w JOIN memberships m ON m.workspace_id = w.id
    JOIN users u ON u.id = m.user_id WHERE w.id = ANY($1) ORDER BY w.id
    """
    rows = [{"id": lab.id, "user_id": ada.id}, {"id": other.id, "user_id": bob.id}]
    for workspace_ids, expected in (([], []), ([lab.id], rows[:1]), ([lab.id, other.id], rows)):
        scoped, values = reading(workspace_ids).scoped(sql, [[lab.id, other.id]])
        for plan in ("force_custom_plan", "force_generic_plan"):
            async with transaction() as connection:
                await fetch(connection, f"SET LOCAL enable_{without} = off")
                await fetch(connection, f"SET LOCAL plan_cache_mode = {plan}")
                assert await fetch(connection, scoped, *values) == expected


async def test_a_scope_shows_its_workspaces_and_their_members_only() -> None:
    ada, lab = await make_tenant()
    _, other = await make_tenant()
    async with transaction([lab.id]):
        assert [row.id for row in await Workspace.all()] == [lab.id]
        assert [row.id for row in await User.all()] == [ada.id]
        assert await Workspace.filter(id=other.id).update(name="Taken") == 0


async def test_a_row_cannot_be_written_into_another_workspace() -> None:
    ada, lab = await make_tenant()
    _, other = await make_tenant()
    with pytest.raises(Exception, match="row-level security"):
        async with transaction([lab.id], user_id=ada.id):
            await Membership.create(workspace_id=other.id, user_id=ada.id, role=Role.OWNER)


async def test_the_scope_ends_with_its_transaction() -> None:
    _, lab = await make_tenant()
    async with transaction([lab.id]):
        assert await Workspace.all().count() == 1
    async with transaction():
        assert await Workspace.all().count() == 0
