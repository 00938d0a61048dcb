"""Whether units arrive in the shares that they should: a sample-ratio mismatch makes every comparison invalid.

A sequential test of a multinomial with fixed shares, by the Bayes factor of a Dirichlet prior around them. It is a
martingale while the shares are right, so that it may be looked at after every unit (Lindon & Malek 2022, arXiv
2011.03567, section 2).
"""

from __future__ import annotations

from math import exp, lgamma, log

from rollout.model import FULL

CONCENTRATION = 1e4  # how close to the planned shares the prior of a wrong split lies
THRESHOLD = 100.0  # 1/α with α = 0.01
HIGHEST = 600.0


def mismatch(treatment: int, control: int, exposure: int) -> float:
    """The Bayes factor against units arriving as `exposure` (thousandths of a percent) says; 1 where nothing can."""
    if not 0 < exposure < FULL:
        return 1.0
    share = exposure / FULL
    total = treatment + control
    factor = lgamma(CONCENTRATION) - lgamma(CONCENTRATION + total)
    for p, n in ((share, treatment), (1 - share, control)):
        factor += lgamma(CONCENTRATION * p + n) - lgamma(CONCENTRATION * p) - n * log(p)
    return exp(min(factor, HIGHEST))
