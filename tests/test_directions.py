"""Who may import what (DESIGN section 5), as allow-lists; import-linter checks the layers besides."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Standard-library modules that do I/O, read the clock or are random.
IMPURE = {
    "asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    """Absolute names of all that a module imports, wherever in the file."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from a import b`: b may be a module.
            yield from (f"{base}.{name.name}" for name in node.names)


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def pure_standard_library(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names and not within(name, tuple(IMPURE))


def modules(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def offences(path: Path, allowed: tuple[str, ...]) -> list[str]:
    return [name for name in imports(path) if not (within(name, allowed) or pure_standard_library(name))]


def test_core_imports_the_pure_standard_library_only() -> None:
    # `regex` besides: only it knows grapheme clusters (\X), and it is as pure as `re`.
    found = {path: offences(path, ("gateway.core", "regex")) for path in modules("gateway/core/**/*.py")}
    found.pop(ROOT / "gateway/core/clock.py")
    assert not any(found.values()), found


def test_a_channel_imports_core_and_the_contract_only() -> None:
    found = {}
    # `samples` feeds the conformance kit; all else in a channel's folder decides and does no I/O.
    channels = {path.parent for path in modules("connectors/*/inbound.py")}
    for path in modules("connectors/*/*.py"):
        if path.parent not in channels or path.name == "samples.py":
            continue
        own = ".".join(path.relative_to(ROOT).parent.parts)
        found[path] = offences(path, ("gateway.core", "connectors.contract", "connectors._meta", own))
    assert not any(found.values()), found


def test_channels_do_not_import_each_other() -> None:
    channels = {path.parent.name for path in modules("connectors/*/inbound.py")}
    for path in modules("connectors/*/**/*.py"):
        own = path.relative_to(ROOT).parts[1]
        others = tuple(f"connectors.{channel}" for channel in channels - {own})
        assert [name for name in imports(path) if within(name, others)] == [], path


def test_rules_import_core_only() -> None:
    found = {}
    for path in modules("processors/*/rules.py"):
        own = ".".join(path.relative_to(ROOT).parent.parts)
        found[path] = offences(path, ("gateway.core", own))
    assert not any(found.values()), found


def test_only_the_app_imports_an_agent() -> None:
    for path in modules("gateway/**/*.py", "connectors/**/*.py", "processors/**/*.py"):
        if path != ROOT / "processors/app.py":
            agents = [
                name
                for name in imports(path)
                if name.startswith("processors.") and name.split(".")[2:3] == ["agent"]
            ]
            assert not agents, (path, agents)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import os.path", ["os.path"]),
        ("from os import path, sep", ["os.path", "os.sep"]),
        ("from . import rules", ["tests.rules"]),
        ("from .rules import step", ["tests.rules.step"]),
        ("def f():\n    import random", ["random"]),
    ],
)
def test_imports_are_found(source: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _self: source)
    assert list(imports(ROOT / "tests" / "x.py")) == names
