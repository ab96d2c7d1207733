"""What compose.yaml and render.yaml say fits together, and fits the product.

`make check` checks their form. Render's own schema has no licence, so there is one of ours, strict, of what we use.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import _parser  # noqa: TID251  # what is deployed are its commands
from core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
RENDER: dict[str, Any] = yaml.safe_load((ROOT / "render.yaml").read_text())
COMPOSED = [service for service in COMPOSE["services"].values() if service["image"] == "synapse"]
RENDERED = [service for service in RENDER["services"] if service["type"] in ("web", "worker")]
SETTINGS = {name.upper() for name in Settings.model_fields}
NEEDED = {name.upper() for name, setting in Settings.model_fields.items() if setting.is_required()}
LONGEST_STOP_S = 10 + Settings.model_fields["shutdown_grace_s"].default + 5


@pytest.mark.parametrize("service", COMPOSED)
def test_compose_runs_commands_that_exist_with_settings_that_exist(service: dict[str, Any]) -> None:
    program, *arguments = service["command"]
    assert program == "synapse"
    assert _parser().parse_args(arguments).command in ("serve", "worker", "migrate")
    assert NEEDED <= set(service["environment"]) <= SETTINGS
    assert int(service["stop_grace_period"].removesuffix("s")) > LONGEST_STOP_S


@pytest.mark.parametrize("service", RENDERED)
def test_render_runs_commands_that_exist_with_settings_that_exist(service: dict[str, Any]) -> None:
    for key in ("dockerCommand", "preDeployCommand"):
        program, *arguments = service[key].split()
        assert program == "synapse"
        assert _parser().parse_args(arguments).command in ("serve", "worker", "migrate")
    assert NEEDED <= {variable["key"] for variable in service["envVars"]} <= SETTINGS
    assert service["maxShutdownDelaySeconds"] > LONGEST_STOP_S


def test_what_render_services_refer_to_is_there() -> None:
    databases = {database["name"] for database in RENDER["databases"]}
    services = {(service["type"], service["name"]): service for service in RENDER["services"]}
    for service in RENDERED:
        for variable in service["envVars"]:
            match variable:
                case {"fromDatabase": {"name": name, "property": "connectionString"}}:
                    assert name in databases
                case {"fromService": {"type": "keyvalue", "name": name, "property": "connectionString"}}:
                    assert ("keyvalue", name) in services
                case {"fromService": {"type": type_, "name": name, "envVarKey": key}}:
                    assert key in {other["key"] for other in services[type_, name]["envVars"]}
                case _:
                    assert variable == {"key": "SECRET_KEYS", "sync": False}
