"""What every test run shares: one deterministic Hypothesis profile, and skips that are named, not folded away."""

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

LONGEST = frozenset(
    {
        "test_clicks.py",
        "test_decisions.py",
        "test_demo.py",
        "test_killed.py",
        "test_people.py",
        "test_rollout_run.py",
    }
)
"""Files that mostly wait for servers: the others are done beside them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that no core is left alone with one at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


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
