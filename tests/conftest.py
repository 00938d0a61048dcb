"""What every test run shares: one deterministic Hypothesis profile, and skips that are named, not folded away."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    derandomize=True,  # the same examples on every machine; campaigns widen the search
    database=None,
    deadline=None,  # no timed asserts: shared cores are slow now and then
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")

LONGEST = (
    "e2e/test_demo.py",
    "e2e/test_up.py",
    "faults/test_killed.py",
    "flows/",
)
"""What mostly waits for servers: the other files are done beside it."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long versions to `make campaign`; begin with the longest files: no core is alone at the end."""
    if "SLUICE_CAMPAIGN" not in os.environ:
        long = [item for item in items if item.get_closest_marker("campaign")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(f"tests/{path}" for path in LONGEST)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every skipped test with its reason, so that a machine that lacks something cannot look healthy."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} NOT RUN on this machine", yellow=True, bold=True)
    for report in skipped:
        terminalreporter.write_line(f"SKIPPED {report.nodeid}: {_reason(report)}", yellow=True)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
