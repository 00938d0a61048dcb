"""What commands print, as terminals show it."""

from io import StringIO

from rich.console import Console

from sluice import render

ADDRESS = "http://127.0.0.1:4200/runs/flow-run/d731e512-9f56-4a47-8b1d-a98432bef80d"


def test_an_address_that_is_folded_is_still_one_link() -> None:
    """Each of its pieces leads to the whole; other values lead nowhere."""
    shown = Console(file=StringIO(), force_terminal=True, width=60)
    with shown.capture() as captured:
        shown.print(render.pairs([("prefect", ADDRESS), ("name", "looked")]))
    lines = captured.get().splitlines()
    assert [True, True, False] == [f";{ADDRESS}\x1b" in line for line in lines]
