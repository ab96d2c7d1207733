"""Two tenants, seeded once, and the choice of what stands between them."""

from enum import Enum

import pytest

from core.auth import Principal
from core.permissions import Role
from tests.security.world import World, make_world
from tests.servers.app import Server


class Walls(Enum):
    """What stands between the tenants."""

    ALL = "all walls"
    ROW_LEVEL_SECURITY = "row-level security alone"


@pytest.fixture(scope="session")
async def world(server: Server) -> World:
    return await make_world(server)


@pytest.fixture(params=list(Walls), ids=lambda walls: walls.value)
def walls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Walls:
    """Services and resolvers ask for every permission through two methods of these two classes. To take them away
    takes all checks away, and leaves who the caller is, and what the database shows them.
    """
    chosen: Walls = request.param
    if chosen is Walls.ROW_LEVEL_SECURITY:
        without_permissions(monkeypatch)
    return chosen


def without_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner in (Principal, Role):
        monkeypatch.setattr(owner, "may", lambda *_: True)
        monkeypatch.setattr(owner, "require", lambda *_: None)
