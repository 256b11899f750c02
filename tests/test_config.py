"""Settings: argument before environment before default, and a clear line for what is out of range."""

from pathlib import Path

import pytest

from trendloom.config import Settings
from trendloom.errors import ConfigError


def test_precedence() -> None:
    environment = {"TRENDLOOM_PORT": "9000", "TRENDLOOM_MODELS_DIR": "/m", "TRENDLOOM_K": "3"}
    found = Settings.load(environment, k=5, host=None)
    assert (found.port, found.models_dir, found.k, found.host) == (9000, Path("/m"), 5, "127.0.0.1")


@pytest.mark.parametrize("environment", [{"TRENDLOOM_PORT": "x"}, {"TRENDLOOM_PORT": "70000"}, {"TRENDLOOM_K": "0"}])
def test_what_is_out_of_range_is_told(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Settings.load(environment)


def test_workers() -> None:
    assert Settings(workers=3).threads == 3
    assert Settings().threads >= 1
