"""One Prefect server, runner and supervisor for all tests that need them."""

from tests.flows.staging import closed_at_the_end, house, migrated, pytest_runtest_teardown

__all__ = ["closed_at_the_end", "house", "migrated", "pytest_runtest_teardown"]
