"""Pages on a rollout's run: its timeline, and the evidence by cohort."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from flows import runs
from flows.markdown import escape, evidence_table, timeline_table
from plans.timeline import local, timeline
from state.store import Rollout


def publish(client: SyncPrefectClient, run: UUID, rollout: Rollout) -> None:
    """Put the timeline and the present evidence on the run; in the UI the latest of each stands on top."""
    name = rollout.name
    runs.show(client, run, f"{name}-timeline", timeline_page(rollout), f"Timeline of {name}")
    runs.show(client, run, f"{name}-evidence", evidence_page(rollout), f"Evidence of {name}, by cohort")


def timeline_page(rollout: Rollout) -> str:
    """The plan's dates as they were at submission, when every approval comes at once."""
    steps = timeline(rollout.plan, rollout.state.submitted)
    return f"### {escape(rollout.name)}: the plan's dates\n\n{timeline_table(steps)}"


def evidence_page(rollout: Rollout) -> str:
    """What every criterion saw, with the arithmetic."""
    at = rollout.evidence.at
    seen = f"As of {escape(local(rollout.plan, at))}." if at else ""
    return f"### {escape(rollout.name)}: evidence by cohort\n\n{seen}\n\n{evidence_table(rollout.evidence)}"
