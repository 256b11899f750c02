"""Imports point down only, and rooms on one floor do not know each other."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "service" / "trendloom"
FLOORS = [
    {"errors", "types", "config", "nouns", "threads"},
    {
        "artifacts",
        "taxonomy",
        "photos",
        "sources",
        "drawn",
        "store",
        "index",
        "looks",
        "counting",
        "stages",
        "forecast",
    },
    {"vision"},
    {"pipeline", "export"},
    {"web"},
    {"cli", "__init__", "__main__"},
]
# Rooms that one word of the floor plan names together.
SHARED = [
    {"photos", "sources"},
    {"pipeline", "export"},
    {"errors", "types", "config", "nouns", "threads"},
    {"cli", "__init__", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative imports hide where they point"
            found.append(node.module or "")
            found += [f"trendloom.{alias.name}" for alias in node.names if node.module == "trendloom"]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


FILES = sorted(HOUSE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_imports_point_down(path: Path) -> None:
    here = room_of(path)
    assert here in FLOOR, f"{here} is not on the floor plan"
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ("training", "tests", "benchmarks"), f"{path.name} imports {name}"
        if parts[0] != "trendloom" or len(parts) == 1 or parts[1] == "__version__":
            continue
        there = parts[1]
        if there == here or any({here, there} <= group for group in SHARED):
            continue
        assert FLOOR[there] < FLOOR[here], f"{here} (floor {FLOOR[here]}) imports {there} (floor {FLOOR[there]})"


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("faiss", {"index"}),
        ("onnxruntime", {"vision"}),
        ("openvino", {"vision"}),
        ("simplejpeg", {"photos"}),
        ("cykooz_resizer", {"photos"}),
        ("deltalake", {"store"}),
        ("fastapi", {"web"}),
        ("typer", {"cli"}),
        ("torch", {"vision"}),
        ("open_clip", {"vision"}),
        ("onnx", {"vision"}),
        ("sklearn", {"forecast"}),
        ("ray", {"pipeline"}),
        ("pyarrow", {"sources"}),
    ],
)
def test_a_heavy_library_has_one_owner(library: str, owners: set[str]) -> None:
    users = {room_of(path) for path in FILES if any(name.split(".")[0] == library for name in imports(path))}
    assert users <= owners


def test_no_file_is_over_400_lines() -> None:
    long = {path.name: n for path in FILES if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400}
    assert not long
