"""Loading a plan: what is refused, in which words, and that all of it is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import plans
from plans.load import Known, PlanError, Problem, Severity, check, load, loads
from plans.schema import Plan

GOLDEN = Path("tests/golden/plans")
GOOD = """\
sluice: 1
name: search-v2
flag: search-ai
stable: {model: v1, min_confidence: 0.7}
candidate: {model: v2, min_confidence: 0.7}
audience: {size: 20000}
schedule: {timezone: Europe/Berlin}
phases:
  - {name: beta, expose: 10%, hold: 3d}
  - {name: all, expose: 100%, hold: 7d}
metrics:
  errors: {source: events, bad: error, of: request}
  accuracy: {source: events, good: correct, of: labelled}
  latency: {source: events, value: latency, of: request, unit: ms, range: [0, 60000]}
stop:
  criteria:
    - errors > 2x control
    - accuracy < 85%
    - p95(latency) > 800ms
"""


def problems(old: str, new: str, known: Known = Known()) -> list[str]:  # noqa: B008 - a frozen value
    """What is told of the good plan once one piece of it is exchanged, without file name."""
    assert old in GOOD
    return [str(p).removeprefix("p.yaml:") for p in check(GOOD.replace(old, new), "p.yaml", known)[1]]


def test_a_good_plan_loads_without_a_word() -> None:
    """No problem, no warning, and the values are what the text says."""
    plan, told = check(GOOD)
    assert told == ()
    assert plan is not None
    assert ("search-v2", 10_000, 0.95) == (plan.name, plan.exposure(0), plan.stop.confidence)


def refusals() -> list[tuple[str, ...]]:
    """The golden table: what is taken out, what is put in, what is told."""
    _, *cases = (GOLDEN / "refusals.txt").read_text().strip().split("\n\n")
    return [tuple(line.replace("\\n", "\n").replace("(nothing)", "") for line in case.split("\n")) for case in cases]


@pytest.mark.parametrize(("old", "new", "told"), refusals(), ids=lambda text: text[:60])
def test_each_refusal_names_line_place_rule_and_remedy(old: str, new: str, told: str) -> None:
    """One change to a good plan, one problem, in these words."""
    assert [told] == [line for line in problems(old, new) if "warning" not in line]


def test_an_empty_list_of_criteria_is_refused() -> None:
    """A rollout that nothing can stop is no staged rollout."""
    text = GOOD[: GOOD.index("  criteria:")] + "  criteria: []\n"
    assert "stop.criteria: is empty; write at least one" in str(check(text)[1][0])


def test_every_problem_of_a_file_is_told_at_once() -> None:
    """Some forty mistakes give the report in the golden file, in the order of their lines."""
    told = check((GOLDEN / "many-errors.yaml").read_text(), "many-errors.yaml")[1]
    assert (GOLDEN / "many-errors.txt").read_text().splitlines() == [str(problem) for problem in told]


def test_the_error_carries_its_problems_as_values() -> None:
    """One error; each problem has file, line, place, message and severity."""
    with pytest.raises(PlanError) as refused:
        loads(GOOD.replace("hold: 3d", "hold: 3d, aproval: required"), "plans/checkout.yaml")
    expected = Problem(
        "plans/checkout.yaml", 9, "phases[0].aproval", "unknown key; did you mean 'approval'?", Severity.ERROR
    )
    assert (expected,) == refused.value.problems
    assert str(refused.value) == "plans/checkout.yaml:9: phases[0].aproval: unknown key; did you mean 'approval'?"


def test_an_unused_metric_is_a_warning_and_the_plan_loads() -> None:
    """Warnings are told beside the plan."""
    plan, told = check(GOOD.replace("    - accuracy < 85%\n", ""), "p.yaml")
    assert plan is not None
    assert [
        "p.yaml:13: metrics.accuracy: warning: no criterion, tune or decide uses this metric; use it or remove it"
    ] == [str(problem) for problem in told]


def test_offline_unknown_sources_and_channels_are_warnings() -> None:
    """A repository of plans is checked where no operator has configured anything."""
    text = GOOD.replace("source: events, bad", "source: prom, bad") + "notify: [log, slack]\n"
    plan, told = check(text, known=Known(offline=True))
    assert plan is not None
    assert [Severity.WARNING, Severity.WARNING] == [problem.severity for problem in told]
    assert check(text, known=Known(frozenset({"events", "prom"}), frozenset({"log", "slack"})))[1] == ()


def test_a_criterion_that_stops_when_all_is_well_is_warned_of() -> None:
    """`accuracy > 85%` reverts a good model; it may be meant, and is probably not."""
    assert problems("accuracy < 85%", "accuracy > 85%") == [
        "18: stop.criteria[1]: warning: this stops the rollout when accuracy reads well; did you mean '<'?"
    ]


def test_a_launch_without_stable_is_warned_of_comparing_with_control() -> None:
    """Where stable is off, control meets no feature; keys need no partner there."""
    told = problems("stable: {model: v1, min_confidence: 0.7}", "stable: off")
    assert told == [
        (
            "17: stop.criteria[0]: warning: stable is off, so control may report nothing; "
            "prefer a share such as `> 2%`, or `2x baseline`"
        )
    ]


def test_current_stable_is_compared_when_it_is_known() -> None:
    """`stable: current` leaves the comparison of keys to the submission."""
    assert problems("stable: {model: v1, min_confidence: 0.7}", "stable: current") == []


def test_full_exposure_from_the_start_needs_a_baseline() -> None:
    """At 100 % there is no control, and before the first phase no history."""
    told = problems("  - {name: beta, expose: 10%, hold: 3d}\n", "")
    assert told == [
        (
            "16: stop.criteria[0]: the first phase is at 100%, where there is no control; "
            "add `baseline: 0.02`, or what it is, to metrics.errors"
        )
    ]


def test_users_need_the_audience_size_in_the_plan() -> None:
    """`100 users` is a share of something; a broken size is not called missing as well."""
    few = GOOD.replace("expose: 10%", "expose: 100 users")
    missing = check(few.replace("audience: {size: 20000}\n", ""))[1]
    assert ["phases[0].expose"] == [problem.place for problem in missing]
    broken = check(few.replace("size: 20000", "size: x"))[1]
    assert ["audience.size"] == [problem.place for problem in broken]


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200f", "\x07", "\x85", "\u2028"])
def test_control_and_bidirectional_characters_are_refused_wherever_they_hide(hidden: str) -> None:
    """In a value, in a comment and behind an escape: what a reviewer cannot see is not in a plan."""
    escaped = f'summary: "\\u{ord(hidden):04x}"\n'
    for text in (f"summary: a{hidden}b\n", f"summary: ab # {hidden}\n", escaped):
        told = check(text + GOOD)[1]
        assert ["control or bidirectional"] == [problem.message[:24] for problem in told], text
        assert told[0].line == 1


def test_line_breaks_and_tabs_are_text() -> None:
    """A prompt may have several lines."""
    text = GOOD.replace("model: v1", 'model: v1, prompt: "a\\n\\tb"').replace(
        "model: v2", 'model: v2, prompt: "a\\n\\tc"'
    )
    assert check(text)[1] == ()


def test_a_missing_file_and_one_that_is_no_text_are_problems(tmp_path: Path) -> None:
    """Both are told as the plan's problem, with the line where text ends."""
    with pytest.raises(PlanError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"sluice: 1\nsummary: caf\xe9\n")
    with pytest.raises(PlanError, match=r"latin\.yaml:2: is not UTF-8"):
        load(tmp_path / "latin.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * 300_000)
    with pytest.raises(PlanError, match="larger than 256 kB"):
        load(tmp_path / "large.yaml")


def test_the_package_itself_loads_plans() -> None:
    """`plans.load(path)` is right although `plans.load` is also where it lives."""
    called: Any = plans.load
    assert load("plans/examples/minimal.yaml") == called("plans/examples/minimal.yaml")


def test_a_plan_is_frozen() -> None:
    """A declared value does not change under those who hold it."""
    plan = loads(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        plan.name = "other"  # type: ignore[misc]


def test_a_flood_of_problems_is_cut_off() -> None:
    """Twenty thousand unknown keys are told as two hundred and a number."""
    told = check(GOOD + "\n".join(f"key{number}: 1" for number in range(500)))[1]
    assert len(told) <= 201


lines = st.sampled_from(GOOD.splitlines())
scraps = st.sampled_from(
    ["- ", "  ", "{", "}", "[", "]", ": ", "off", "null", "'", '"', "&a", "*a", "!!int", "%", "|", "1e9", "\t", "NO"]
)


@given(st.text(max_size=200) | st.lists(lines | scraps | st.text(max_size=5), max_size=40).map("\n".join))
def test_no_text_raises_anything_but_a_plan_error(text: str) -> None:
    """Whatever is submitted is a plan or a list of problems."""
    try:
        plan = loads(text)
    except PlanError as refused:
        assert refused.problems  # noqa: PT017 - nearly every example is refused
    else:
        assert isinstance(plan, Plan)


@given(st.data())
def test_a_damaged_plan_raises_nothing_but_a_plan_error(data: st.DataObject) -> None:
    """One stretch of a good plan replaced by anything."""
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 30)))
    damaged = GOOD[:start] + data.draw(st.text(max_size=10) | scraps) + GOOD[end:]
    plan, told = check(damaged)
    assert plan is not None or any(problem.severity is Severity.ERROR for problem in told)


def test_a_list_whose_items_are_all_wrong_is_not_called_empty() -> None:
    """Each item is told of; the list around them is not, and what can still be compared is."""
    wrong = GOOD.replace("hold: 3d", "hald: 3d").replace("hold: 7d", "hold: 10:00")
    told = [str(problem) for problem in check(wrong)[1]]
    assert not any("phases: is empty" in line for line in told)
    assert any("phases[0].hald: unknown key" in line for line in told)
