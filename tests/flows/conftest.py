"""One Prefect server, runner and supervisor for all tests that need them."""

from collections.abc import Iterator

import pytest

from tests.flows.stage import Stage
from tests.flows.staging import shared


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from shared(tmp_path_factory)
