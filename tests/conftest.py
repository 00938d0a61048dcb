"""What every test run shares: one deterministic Hypothesis profile, and skips that are named, not folded away."""

from pathlib import Path

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

TOGETHER = {"flows": "prefect", "faults": "prefect", "state": "database", "sources": "sources"}
"""Folders whose tests share one server: they run one after another, on one core."""
LONGEST = ("test_demo.py", "prefect")
"""What the others are done beside."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every file to one core, files that share a server to the same one, and begin with the longest."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))
    items.sort(key=lambda item: _group(item.path) not in LONGEST)


def _group(path: Path) -> str:
    name = path.name if path.parent.name not in TOGETHER or path.parts[-3] == "unit" else path.parent.name
    return TOGETHER.get(name, "sources" if "sources" in name else name)


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
