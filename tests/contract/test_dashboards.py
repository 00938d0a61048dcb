"""The Grafana dashboard and the Prometheus rules, held against what a running server exposes."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from state.clock import wall
from tests.contract.flag_server import started_rollout

ROOT = Path(__file__).parents[2]
RULES = ROOT / "dashboards" / "alerts.yml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "dashboards" / "sluice.json").read_text(encoding="utf-8"))
METRIC = re.compile(r"\bsluice_\w+")


def test_every_panel_says_what_it_shows_and_in_what_unit() -> None:
    """Title, description, unit and a legend for each query; panels do not lie on one another."""
    panels = DASHBOARD["panels"]
    for panel in panels:
        assert all((panel["title"], panel["description"], panel["fieldConfig"]["defaults"]["unit"])), panel["id"]
        assert all(target["legendFormat"] for target in panel["targets"])
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_every_metric_that_is_asked_for_is_exposed(tmp_path: Path) -> None:
    """Dashboard and rules name only series that a flag server with a rollout, an outcome and a guard really has."""
    wanted = set(METRIC.findall(json.dumps([panel["targets"] for panel in DASHBOARD["panels"]])))
    wanted |= set(METRIC.findall(RULES.read_text(encoding="utf-8")))
    with started_rollout(tmp_path) as server:
        server.store.beat("guard", wall())
        told = {"flag": "case-law-ai", "targetingKey": "u-1", "event": "request"}
        server.post("/v1/track", [told | {"context": {"email": "u@mail.test", "tier": "standard"}}])
        exposed = set(re.findall(r"^(sluice_\w+?)[{ ]", server.http.get("/metrics").text, re.MULTILINE))
    assert set() == wanted - exposed
    assert {name for name in exposed if not name.endswith("_created")} == wanted


def test_prometheus_accepts_the_rules() -> None:
    """`promtool check rules` finds nothing wrong, and each alert has its section in the runbooks."""
    runbooks = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    alerts = re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8"))
    assert [] == [alert for alert in alerts if f"### {alert}\n" not in runbooks]
    assert set(re.findall(r"runbooks\.md#(\w+)", RULES.read_text(encoding="utf-8"))) == {a.lower() for a in alerts}
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed, so Prometheus' own check of dashboards/alerts.yml was left out")
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
