"""One Prefect server, runner and supervisor for all tests that need them."""

import pytest

from tests.flows.stage import Stage
from tests.flows.staging import shared


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return shared(tmp_path_factory)
