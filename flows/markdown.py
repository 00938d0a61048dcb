"""Text for Prefect's pages: tables in Markdown, with everything that people or plans wrote escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from plans.expressions import Condition
from plans.problems import Problem
from plans.schema import Plan
from plans.timeline import Step
from rollout.describe import percent
from rollout.findings import labelled, purpose, verdict
from rollout.model import Counts, Evidence, Finding

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$:.-])")
PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def escape(text: object) -> str:
    """Text as Markdown that shows exactly this text: no markup, no HTML, no links, on one line."""
    plain = CONTROL.sub("\ufffd", " ".join(str(text).split()))
    return SPECIAL.sub(r"\\\1", html.escape(plain, quote=False))


def chat(text: str) -> str:
    """Text as CommonMark for chats that shows exactly this text; nobody is mentioned by it."""
    plain = CONTROL.sub("\ufffd", " ".join(text.split()))
    return PUNCTUATION.sub(r"\\\1", plain).replace("@", "@\u200b")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the cells are escaped, the head is ours."""
    lines = [head, ["---"] * len(head), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def problems_table(problems: Iterable[Problem]) -> str:
    """Everything that is wrong with a plan, with its line where it has one."""
    rows = ((problem.line or "", problem.place, problem.message) for problem in problems)
    return table(("line", "place", "what is wrong"), rows)


def evidence_table(evidence: Evidence) -> str:
    """Every criterion with its counts by cohort and its verdict, and below the table the arithmetic behind them."""
    if not evidence.findings:
        return "Nothing has been judged yet."
    head = ("criterion", "then", "verdict", "treatment", "control", "evidence", "needs")
    return f"{table(head, map(_finding_row, evidence.findings))}\n\n{bullets(one.reason for one in evidence.findings)}"


def evidence_summary(plan: Plan, evidence: Evidence) -> str:
    """The same for a narrow form: verdict and both cohorts in a table, the arithmetic below it."""
    if not evidence.findings:
        return "Nothing has been judged yet."
    head = ("criterion", "verdict", "treatment", "control")
    rows = [(labelled(one), verdict(one), *_rates(plan, one)) for one in evidence.findings]
    return f"{table(head, rows)}\n\n{bullets(one.reason for one in evidence.findings)}"


def timeline_table(steps: Sequence[Step]) -> str:
    """The dated steps of a plan, in its own zone."""
    head = ("when", "what", "phase", "exposure", "settings")
    rows = [(step.local, step.text, step.phase, percent(step.exposure), _settings(step)) for step in steps]
    return table(head, rows)


def bullets(items: Iterable[object]) -> str:
    """A list with one escaped item a line."""
    return "\n".join(f"- {escape(item)}" for item in items)


def _finding_row(finding: Finding) -> tuple[object, ...]:
    return (
        finding.criterion,
        purpose(finding),
        verdict(finding),
        _counts(finding.treatment),
        _counts(finding.control),
        f"{finding.evidence:.3g}",
        f"{finding.threshold:.3g}",
    )


def _counts(counts: Counts) -> str:
    if counts.rate is None:
        return "no data"
    return f"{counts.bad:,} of {counts.total:,} = {counts.rate:.2%}"


def _rates(plan: Plan, finding: Finding) -> tuple[str, str]:
    """Both cohorts' rates as the metric reads."""
    good = plan.metrics[Condition.parse(finding.criterion).metric].counts_good
    treatment, control = (
        "no data" if counts.rate is None else f"{1 - counts.rate if good else counts.rate:.1%}"
        for counts in (finding.treatment, finding.control)
    )
    return treatment, control


def _settings(step: Step) -> str:
    return ", ".join(f"{key} {value}" for key, value in step.settings.items())
