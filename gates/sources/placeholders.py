"""`$variant` and `$window` in the queries of a plan: the only two words that are filled in, with words of our own."""

from __future__ import annotations

import re
from datetime import timedelta
from difflib import get_close_matches

from gates.sources import SourceError, Window
from rollout.exposure import Variant

VARIANT, WINDOW = "variant", "window"
WORD = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
MILLISECOND = timedelta(milliseconds=1)


def misfit(query: str, known: frozenset[str], needed: frozenset[str]) -> str | None:
    """Why a query cannot be filled in, None where it can: words that nobody knows, or a word that it must have."""
    found = WORD.findall(query)
    for word in found:
        if word not in known:
            close = get_close_matches(word, known, 1)
            remedy = (
                f"did you mean ${close[0]}?" if close else f"known: {', '.join(f'${name}' for name in sorted(known))}"
            )
            return f"${word} is not filled in; {remedy}"
    missing = sorted(needed - set(found))
    if VARIANT in missing:
        return 'has no $variant, so both cohorts would be counted as one; select by it, as in {variant="$variant"}'
    return f"has no ${missing[0]}, so buckets would overlap; write it where a duration stands" if missing else None


def filled(query: str, variant: Variant, window: Window) -> str:
    """The query for one variant and window; the window is a PromQL duration in milliseconds, such as `300000ms`."""
    words = {VARIANT: str(variant), WINDOW: f"{window.length // MILLISECOND}ms"}

    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise SourceError(f"has ${found[1]}, which is not filled in; known: $variant, $window")
        return words[found[1]]

    return WORD.sub(word, query)
