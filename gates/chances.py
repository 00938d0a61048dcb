"""How long `k of n` looks take: the chance that one look finds the limit crossed, and the wait for k such looks.

Looks are judged one by one, from what was counted in each alone, so that they are as good as independent.
"""

from __future__ import annotations

from math import erfc, exp, inf, lgamma, log, sqrt

from gates.power import Detection
from gates.streaks import Streak

MOST_LOOKS = 12
ENOUGH = 9.0  # units of the rarer kind, from which on a share is as good as normal
REACH = 8.0  # standard deviations
SETTLED = 100

Weighed = list[tuple[float, float]]


def crossing(treatment: Weighed, control: Weighed, *, factor: float, more: float, above: bool) -> float:
    """The chance that treatment's level lies past `factor` times control's and `more`; both as (level, chance)."""
    return sum(
        here * there
        for level, here in treatment
        for other, there in control
        if (level > factor * other + more if above else level < factor * other + more)
    )


def normal_crossing(gap: float, deviation: float) -> float:
    """The chance that a level lies past its limit, which it misses by `gap` on average."""
    return erfc(gap / (deviation * sqrt(2))) / 2 if deviation else float(gap < 0)


def shares(units: float, rate: float) -> Weighed:
    """The shares that so many units may come to, each with its chance; of less than one, whether it comes at all."""
    n = max(1, round(units))
    chance, centre, spread = min(1.0, units), n * rate, sqrt(n * rate * (1 - rate)) + 1
    found = range(max(0, int(centre - REACH * spread)), min(n, int(centre + REACH * spread)) + 1)
    return [(x / n, chance * _binomial(x, n, rate)) for x in found]


def looks_until(streak: Streak, crossed: float) -> Detection:
    """After how many looks `needed` of the last `looks` were crossed, each being so by itself with this chance.

    In half of all rollouts, and in nine of ten; once the looks before the fault are forgotten the wait has no memory,
    so that the last chance of a look to be the decisive one goes on.
    """
    states, waiting, half = {0: 1.0}, 1.0, inf
    for look in range(1, SETTLED + 1):
        states, done = _next(streak, states, crossed)
        waiting, before = waiting - done, waiting
        half = look if waiting <= 0.5 < before else half  # noqa: PLR2004 - the median
        if waiting <= 0.1:  # noqa: PLR2004 - nine in ten
            return Detection(half, look)
    hazard = done / before
    if hazard <= 0:
        return Detection(half, inf)
    on = [SETTLED + log(waiting / left) / -_log1m(hazard) for left in (0.5, 0.1)]
    return Detection(min(half, max(on[0], SETTLED)), on[1])


def _next(streak: Streak, states: dict[int, float], crossed: float) -> tuple[dict[int, float], float]:
    """One look more: which of the last looks were crossed (bits), with their chances, and the chance of a breach."""
    kept, done, mask = dict[int, float](), 0.0, (1 << streak.looks) - 1
    for bits, chance in states.items():
        for bit, part in ((1, crossed), (0, 1 - crossed)):
            after = (bits << 1 | bit) & mask
            if after.bit_count() >= streak.needed:
                done += chance * part
            else:
                after &= mask >> 1
                kept[after] = kept.get(after, 0.0) + chance * part
    return kept, done


def _log1m(chance: float) -> float:
    return log(1 - chance) if chance < 1 else -inf


def _binomial(x: int, n: int, p: float) -> float:
    if p in {0.0, 1.0}:
        return float(x == n * p)
    ways = lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1)
    return exp(ways + x * log(p) + (n - x) * log(1 - p))
