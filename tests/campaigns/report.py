"""The evidence for the gate as tables: `make campaign-gates` runs them and writes them into docs/evidence.md.

Buckets are drawn, not events: in each, treatment and control are Poisson numbers of units, and binomial numbers of
those are bad.
"""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from statistics import median
from typing import NamedTuple

from gates.bounds import upper_bound
from tests.campaigns import obvious
from tests.campaigns.gates import FORTNIGHT, delays
from tests.campaigns.world import PER_DAY, Stretch, World

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
BEGIN, END = "<!-- figures: written by make campaign-gates -->", "<!-- end of figures -->"
RAMPS = {
    "1 %": (Stretch(1_000, FORTNIGHT),),
    "10 %": (Stretch(10_000, FORTNIGHT),),
    "50 %": (Stretch(50_000, FORTNIGHT),),
    "1 → 10 → 50 %": (Stretch(1_000, 3 * PER_DAY), Stretch(10_000, 4 * PER_DAY), Stretch(50_000, 7 * PER_DAY)),
}
RATIOS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
TOLERATED = 1.5
MANY, FEW = 2, 5  # healthy rollouts come twice as often as faults, those that must first live a week five times less
TURBULENCE = {
    "even traffic": World(),
    "daily season of ±50 %": World(season=0.5),
    "shared outages, 5x in 2 % of hours": World(shocked=0.02),
    "both": World(season=0.5, shocked=0.02),
    "both, at the tolerated 1.5x": World(season=0.5, shocked=0.02, ratio=1.5),
    "each failure counted twice, as by a source of raw events": World(burst=2),
    "the same, at the tolerated 1.5x": World(burst=2, ratio=1.5),
}
LABELS = (20, 200, 2_000)
ACCURACIES = (0.90, 0.85, 0.80, 0.70)

Say = Callable[[str], None]


class Cell(NamedTuple):
    """What one cell of a table came to: minutes from the fault on, and rollouts reverted before there was one."""

    runs: int
    early: int
    late: tuple[float, ...]

    @property
    def reverted(self) -> int:
        """Rollouts reverted with the fault, or with nothing worse than what is tolerated, in force."""
        return len(self.late)


def figures(runs: int, seed: int, say: Say) -> Iterator[str]:
    """All tables, line by line; `say` hears how far it has come."""
    for part in (ratios, turbulence, labels, rules):
        yield from part(runs, seed, say)
        yield ""


def ratios(runs: int, seed: int, say: Say) -> Iterator[str]:
    """By true ratio, onset and exposure: how many are reverted, and how long after the fault began."""
    yield "### True ratio, onset and exposure"
    yield ""
    yield from _head("errors, candidate over stable", *RAMPS)
    for onset in (0, 7):
        for ratio in RATIOS if not onset else RATIOS[1:]:
            number = runs * MANY if ratio == 1 else runs // FEW if onset else runs
            world = World(ratio=ratio, onset=onset)
            cells = [cell(world, ramp, number, seed) for ramp in RAMPS.values()]
            say(f"ratio {ratio:g} from day {onset}")
            show = _reverted if ratio <= TOLERATED else _delay
            yield _row(f"{ratio:g}x {f'from day {onset} on' if onset else 'from launch'}", *map(show, cells))


def turbulence(runs: int, seed: int, say: Say) -> Iterator[str]:
    """Rollouts with nothing wrong in weather that is."""
    yield "### Seasons, shared outages, bursts"
    yield ""
    chosen = ["10 %", "1 → 10 → 50 %"]
    yield from _head("nothing wrong, but …", *chosen)
    for name, world in TURBULENCE.items():
        yield _row(name, *(_reverted(cell(world, RAMPS[ramp], runs // 2, seed)) for ramp in chosen))
        say(name)


def labels(runs: int, seed: int, say: Say) -> Iterator[str]:
    """By true accuracy and labels a day: how many are reverted by `accuracy < 85%`, and how soon."""
    yield "### Accuracy against 85 %, at 50 % exposure"
    yield ""
    yield from _head("true accuracy", *(f"{number:,} labels a day" for number in LABELS))
    for accuracy in ACCURACIES:
        cells = []
        for number in LABELS:
            world = World(metric="accuracy", daily=number, base=0.1, ratio=(1 - accuracy) / 0.1)
            cells.append(cell(world, RAMPS["50 %"], runs // 2, seed, "accuracy < 85%"))
        yield _row(f"{accuracy:.0%}", *map(_reverted if accuracy >= 0.85 else _delay, cells))
        say(f"accuracy {accuracy:.0%}")


def rules(runs: int, seed: int, say: Say) -> Iterator[str]:
    """What reverts the same healthy rollouts by the rules that come to mind first."""
    yield "### The obvious rules on the same rollouts"
    yield ""
    yield from _head("rule", *(f"healthy, {name}" for name in list(RAMPS)[:3]), "at the limit, 10 %")
    for name, rule in obvious.RULES.items():
        cells = [
            _cell(World(), obvious.delays(rule, World(), ramp, runs // 2, seed)) for ramp in list(RAMPS.values())[:3]
        ]
        limit = World(ratio=obvious.LIMIT)
        cells.append(_cell(World(), obvious.delays(rule, limit, RAMPS["10 %"], runs // 2, seed)))
        yield _row(name, *map(_reverted, cells))
        say(name)


def cell(world: World, ramp: Sequence[Stretch], runs: int, seed: int, *criteria: str) -> Cell:
    """So many rollouts under the product's own gate."""
    return _cell(world, delays(world, ramp, runs, seed, *criteria))


def written(page: str, figured: str) -> str:
    """A page with its figures replaced."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{figured.strip()}\n\n{END}{rest.partition(END)[2]}"


def _cell(world: World, found: Sequence[float]) -> Cell:
    began = world.onset * 1440
    late = sorted(minutes - began for minutes in found if began < minutes < inf)
    return Cell(len(found), sum(minutes <= began for minutes in found), tuple(late))


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|---" * len(names) + "|"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _reverted(cell: Cell) -> str:
    """`0 of 400 (≤ 0.75 %)`: with the exact one-sided 95 % bound."""
    count = cell.early + cell.reverted
    return f"{count} of {cell.runs} (≤ {100 * upper_bound(count, cell.runs, 0.95):.3g} %)"


def _delay(cell: Cell) -> str:
    """Median and ninth decile of the delay over all rollouts, `–` where fewer were reverted in fourteen days."""
    still = cell.runs - cell.early
    waits = [*cell.late, *[inf] * (still - cell.reverted)]
    if not waits:
        return "–"
    told = f"{_span(median(waits))} · {_span(waits[int(0.9 * len(waits))])}; {cell.reverted} of {still}"
    return f"{told}, {cell.early} before" if cell.early else told


def _span(minutes: float) -> str:
    if minutes == inf:
        return "–"
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 2880 else f"{minutes / 1440:.1f} d"


def _commit() -> str:
    """The commit that is measured; says so where files differ from it."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "gates", "rollout", "plans", "tests/campaigns"],
        capture_output=True,
        text=True,
        check=True,
    )
    return head.stdout.strip() + (" with changes" if dirty.stdout else "")


def _said(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> None:
    """Run all tables and write them into the page."""
    options = ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, default=PAGE)
    chosen = options.parse_args()
    told = f"Commit `{_commit()}`, `make campaign-gates RUNS={chosen.runs} SEED={chosen.seed}`."
    lines = list(figures(chosen.runs, chosen.seed, _said))
    chosen.out.write_text(written(PAGE.read_text("utf-8"), "\n".join([told, "", *lines])), "utf-8")


if __name__ == "__main__":
    main()
