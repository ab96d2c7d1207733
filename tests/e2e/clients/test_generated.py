"""The generated code of the example clients is that of today's schema, and what is written around it fits."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.e2e.clients.environment import PYTHON, TYPESCRIPT, python_environment, run_python, run_typescript


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


async def test_the_typescript_client_is_generated_from_todays_schema(tmp_path: Path) -> None:
    config = tmp_path / "codegen.ts"
    config.write_text((TYPESCRIPT / "codegen.ts").read_text().replace("src/generated/", f"{tmp_path}/generated/"))
    await run_typescript("node_modules/@graphql-codegen/cli/esm/bin.js", "--config", config)
    assert contents(tmp_path / "generated") == contents(TYPESCRIPT / "src" / "generated"), "Run: make clients"


async def test_the_python_client_is_generated_from_todays_schema(tmp_path: Path) -> None:
    settings = (PYTHON / "pyproject.toml").read_text()
    config = tmp_path / "codegen.toml"
    config.write_text(settings.replace('target_package_path = "synapse_client"', f'target_package_path = "{tmp_path}"'))
    await run_python("-m", "ariadne_codegen", "--config", config)
    assert contents(tmp_path / "generated") == contents(PYTHON / "synapse_client" / "generated"), "Run: make clients"


async def test_the_typescript_client_is_strictly_typed() -> None:
    assert await run_typescript("node_modules/typescript/bin/tsc") == ""


async def test_the_python_client_is_strictly_typed() -> None:
    python = await asyncio.to_thread(python_environment) / "python"
    mypy = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mypy", "--python-executable", python), cwd=PYTHON, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await mypy.communicate()
    assert mypy.returncode == 0, output.decode()
