"""core takes values and returns values: no clock, no files, no chance, no output, no threads."""

import ast
from pathlib import Path

import pytest

import core

CORE = Path(__file__).parents[2] / "core"
MODULES = sorted(CORE.glob("*.py"))
# What core may import. Everything else is refused: a new name here is a decision, not an oversight.
PURE = {
    "__future__", "abc", "base64", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal",
    "difflib", "enum", "fnmatch", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "msgspec",
    "numbers", "operator", "re", "statistics", "string", "struct", "textwrap", "types", "typing", "unicodedata",
    "urllib.parse", "zlib",
}  # fmt: skip
IMPURE_BUILTINS = {"__import__", "breakpoint", "compile", "eval", "exec", "exit", "input", "open", "print", "quit"}
# Methods by which a module that may be imported would read a clock.
CLOCKS = {"now", "utcnow", "today"}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def impurities(source):
    tree = ast.parse(source)
    for name in imports(tree):
        if name.partition(".")[0] != "core" and name not in PURE and name.partition(".")[0] not in PURE - {"urllib"}:
            yield f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in IMPURE_BUILTINS:
            yield f"uses {node.id}"
        elif isinstance(node, ast.Attribute) and node.attr in CLOCKS and _is_clock(node.value):
            yield f"reads the clock: {ast.unparse(node)}"
        elif isinstance(node, ast.Global):
            yield f"keeps state in the module: {', '.join(node.names)}"


def _is_clock(value):
    return ast.unparse(value).rpartition(".")[2] in {"datetime", "date"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_module_of_core_is_pure(module):
    assert list(impurities(module.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", ["imports time"]),
        ("from random import choice", ["imports random"]),
        ("import os.path", ["imports os.path"]),
        ("import logging", ["imports logging"]),
        ("import urllib.request", ["imports urllib.request"]),
        ("from exporters import http", ["imports exporters"]),
        ("from . import events", ["imports ."]),
        ("def f():\n    import socket", ["imports socket"]),
        ("from datetime import datetime\nx = datetime.now()", ["reads the clock: datetime.now"]),
        ("import datetime\nx = datetime.datetime.utcnow()", ["reads the clock: datetime.datetime.utcnow"]),
        ("from datetime import date\nx = map(date.today, ())", ["reads the clock: date.today"]),
        ("def f():\n    print(open('x'))", ["uses print", "uses open"]),
        ("def f():\n    global X", ["keeps state in the module: X"]),
        ("from core.words import count\nfrom collections.abc import Mapping\nimport msgspec", []),
        ("def f(now: float) -> float:\n    return now", []),
    ],
)
def test_impurities_are_found(source, found):
    assert list(impurities(source)) == found


def test_whole_of_core_is_looked_at():
    assert {"ledger.py", "lives.py", "verdict.py"} < {path.name for path in MODULES}
    assert list(core.__path__) == [str(CORE)]
