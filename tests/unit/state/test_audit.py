"""The chain of the journals: whatever is done to its lines is found, and what nobody touched is not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.audit import Broken, Line, Wrong, verified
from state.errors import RefusedError
from state.sealing import SEAL, Head, Secrets, content, seal

SECRETS = Secrets.of(b"old secret", b"present secret")
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUE = st.one_of(st.none(), TEXT, st.integers(-3, 12))
COLUMNS = ("at", "by", "reason", "revision", "finding")
ROW = st.fixed_dictionaries({"journal": st.sampled_from(["journal", "flag_journal"]), **dict.fromkeys(COLUMNS, VALUE)})
ROWS = st.lists(ROW, min_size=1, max_size=8)


def chained(rows: Sequence[dict[str, Any]]) -> list[Line]:
    """Lines as they are written: numbered, and each sealed over the one before it."""
    made, mac = [], ""
    for number, row in enumerate(rows, 1):
        key = list(SECRETS.by_id)[number % 2]
        columns = {name: row[name] for name in COLUMNS} | {"link": number, "key_id": key}
        mac = seal(SECRETS.by_id[key], mac, row["journal"], columns)
        made.append(Line(row["journal"], "search-v2", number, columns | {SEAL: mac}))
    return made


def end(lines: Sequence[Line]) -> Head:
    """The head behind these lines."""
    return Head(len(lines), lines[-1].mac)


def broken(lines: Sequence[Line], head: Head, published: Head | None = None) -> list[Broken]:
    """Everything that is found, the lines read in the order of their numbers."""
    found = verified(sorted(lines, key=lambda line: line.link), SECRETS, head, published)
    return [one for some in found for one in some]


@given(ROWS)
def test_what_nobody_touched_is_whole(rows: list[dict[str, Any]]) -> None:
    """Neither text nor gaps of any kind in a line make it look altered; any head on the way holds."""
    lines = chained(rows)
    for count in range(1, len(lines) + 1):
        assert [] == broken(lines, end(lines), end(lines[:count]))


@given(ROWS, st.data())
def test_every_edit_is_found_at_its_line(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Another value in any column but the number is one finding, at exactly that line."""
    lines = chained(rows)
    place = data.draw(st.integers(0, len(lines) - 1))
    name = data.draw(st.sampled_from([*COLUMNS, "key_id", SEAL]))
    other = data.draw(VALUE.filter(lambda value: not _same(value, lines[place].columns[name])))
    lines[place] = replace(lines[place], columns=lines[place].columns | {name: other})
    found = broken(lines, end(chained(rows)))
    assert {place + 1} == {one.link for one in found if one.wrong in {Wrong.ALTERED, Wrong.UNKNOWN_KEY}}


@given(ROWS, st.data())
def test_every_other_tampering_is_found(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """A deletion, a swap, an insertion, another number, another journal, anywhere, with the store's head left alone."""
    lines = chained(rows)
    for tampered in _tampered(lines, data):
        assert broken(tampered, end(lines)), tampered


@given(ROWS, st.data())
def test_a_cut_tail_shows_against_a_published_head(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Even where the store's own head was set back, and where new lines were written behind the cut."""
    lines = chained(rows)
    kept = data.draw(st.integers(0, len(lines) - 1))
    cut, published = lines[:kept], end(lines)
    before = end(cut) if cut else Head()
    assert [] == broken(cut, before)
    assert {Wrong.CUT} == {one.wrong for one in broken(cut, before, published)}
    fresh = [{**row, "by": "mallory"} for row in rows[kept:]]
    again = chained([*rows[:kept], *fresh])
    assert [] == broken(again, end(again))
    if again != lines:
        assert {Wrong.REWRITTEN} == {one.wrong for one in broken(again, end(again), published)}


@pytest.mark.parametrize("tail", [1, 3])
def test_a_cut_tail_shows_against_the_head_in_the_store(tail: int) -> None:
    """Where only lines were deleted, the store itself remembers how many there were."""
    lines = chained([dict.fromkeys(("journal", *COLUMNS), "x")] * 5)
    (one,) = broken(lines[:-tail], end(lines))
    assert (Wrong.CUT, 5) == (one.wrong, one.link)
    assert f"{tail} line" in one.text


def test_a_line_without_its_key_is_not_called_altered() -> None:
    """Where a secret is missing, the finding names the key and says nothing of the content."""
    lines = chained([dict.fromkeys(("journal", *COLUMNS), "x")] * 2)
    found = [one for some in verified(lines, Secrets.of(b"present secret"), end(lines), None) for one in some]
    assert [Wrong.UNKNOWN_KEY] == [one.wrong for one in found if one.link == 2]


def test_content_tells_kinds_and_borders_apart() -> None:
    """A number is not its digits, an absence not an empty text, and no value leaks into the next column."""
    alike: list[dict[str, object]] = [
        {"a": "1", "b": "2"},
        {"a": 1, "b": "2"},
        {"a": "1"},
        {"a": "1", "b": ""},
        {"a": "1b text 1:2"},
        {"a": b"1"},
    ]
    assert len(alike) == len({content(columns) for columns in alike})


def test_a_head_is_read_back() -> None:
    """As it is published, cut short; anything else is refused with an example."""
    head = Head(42, "9f2c" * 16)
    assert Head(42, "9f2c" * 8) == Head.parse(str(head))
    for text in ("", "42", "42:", "42:xyz", "-1:9f2c9f2c", "42:9f2"):
        with pytest.raises(RefusedError, match="COUNT:MAC"):
            Head.parse(text)


def _tampered(lines: list[Line], data: st.DataObject) -> Iterator[list[Line]]:
    place = data.draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    yield lines[:place] + lines[place + 1 :]
    yield [*lines, line]
    yield [*lines[:place], replace(line, journal="elsewhere"), *lines[place + 1 :]]
    other = data.draw(st.one_of(TEXT, st.integers(-3, 20).filter(lambda number: number != place + 1)))
    yield [*lines[:place], replace(line, columns=line.columns | {"link": other}), *lines[place + 1 :]]
    if len(lines) > 1:
        second = data.draw(st.integers(0, len(lines) - 1).filter(lambda number: number != place))
        yield _swapped(lines, place, second)


def _swapped(lines: list[Line], one: int, other: int) -> list[Line]:
    """Two lines with each other's numbers."""
    links = {one: {"link": other + 1}, other: {"link": one + 1}}
    return [replace(line, columns=line.columns | links.get(place, {})) for place, line in enumerate(lines)]


def _same(one: object, other: object) -> bool:
    return (type(one), one) == (type(other), other)
