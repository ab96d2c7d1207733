"""The role as which the application works, `models.database.APP_ROLE`: it owns nothing, so every policy binds it.

Roles belong to the server and not to the database, so they are in no migration, and in no dump of a database.
"""

import asyncpg

from core.errors import StartupRefused
from models.database import APP_ROLE, open_connection

# Servers share their roles between databases, where another migration may be at it.
_CREATE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
        CREATE ROLE {APP_ROLE} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# Being a member is not enough: from PostgreSQL 16 on, whoever makes a role is its member, but may not work as it.
_JOIN = f"""
DO $$ BEGIN
    SET LOCAL ROLE {APP_ROLE};
    RESET ROLE;
EXCEPTION WHEN insufficient_privilege THEN
    EXECUTE format('GRANT {APP_ROLE} TO %I', session_user);
END $$
"""
_IS_ABOVE_POLICIES = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = $1"


async def ensure_app_role(database_url: str) -> None:
    """Makes the role if need be, and sees that the login role of ``database_url`` may work as it.

    Raises:
        StartupRefused: the login role is not allowed to do that, or policies would not bind the role.
    """
    connection = await open_connection(database_url)
    try:
        await connection.execute(_CREATE)
        await connection.execute(_JOIN)
        if await connection.fetchval(_IS_ABOVE_POLICIES, APP_ROLE):
            raise StartupRefused(f"Tenants would not be apart: the role {APP_ROLE} is above row-level security.")
    except asyncpg.InsufficientPrivilegeError as error:
        login = await connection.fetchval("SELECT quote_ident(session_user)")
        raise StartupRefused(
            f"The database's login role may not prepare the role of the application ({error}). Have an administrator "
            f"run, once: CREATE ROLE {APP_ROLE} NOLOGIN; GRANT {APP_ROLE} TO {login};"
        ) from error
    finally:
        await connection.close()
