"""Two imaginary cohorts out of one real one: units drawn by lot, without an eye on what became of them."""

from __future__ import annotations

from random import Random

from rollout.model import FULL, Counts
from sluice.chance import binomial


def split(counts: Counts, exposure: int, random: Random) -> tuple[Counts, Counts]:
    """Treatment and control of one bucket, each unit having the imaginary candidate with the chance of `exposure`.

    Bad and good units are drawn apart, which gives what a lot for each unit would have given.
    """
    if exposure in {0, FULL}:
        return (Counts(), counts) if exposure == 0 else (counts, Counts())
    share = exposure / FULL
    bad = binomial(counts.bad, share, random)
    good = binomial(counts.total - counts.bad, share, random)
    treatment = Counts(bad, bad + good)
    return treatment, Counts(counts.bad - treatment.bad, counts.total - treatment.total)
