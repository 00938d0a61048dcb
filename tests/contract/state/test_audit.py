"""The journals as evidence, on either database: every cell of every line is under seal."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import pytest
from sqlalchemy import Connection, Engine, text

from rollout.model import Verb, Verdict
from state import step
from state.audit import Broken, Wrong, audit
from state.sealing import Head, Secrets
from state.store import Store
from state.tables import flag_journal, incident_journal, journal
from tests.contract.state.story import BEGIN, DAY, asking, judged, submitted

NAME, FLAG = "search-v2", "search"
JOURNALS = (journal, flag_journal, incident_journal)
EDITS: dict[str, Sequence[str]] = {
    "INTEGER": ("{} + 1000", "-{} - 7"),
    "TIMESTAMP": ("TIMESTAMPTZ '2026-12-01 14:00:00.000001Z'", "TIMESTAMPTZ 'infinity'"),
    "DATETIME": ("'2026-12-01 14:00:00.000001'", "{} || ' '", "'soon'", "x'ff'", "5"),
    "VARCHAR": ("{} || ' '", "''"),
    "TEXT": ("{} || ' '", "''"),
}
OF_SQLITE = ("x'ff'", "CAST(x'ff' AS TEXT)")


@pytest.fixture
def eventful(store: Store) -> Store:
    """Lines of every kind in all journals: submit, start, question, kill, restore, approval, incident, revert."""
    now = asking(store)
    store.kill(FLAG, "on-call", "smoke", now)
    store.restore(FLAG, "on-call", "no fire", now)
    assert step.command(store, NAME, Verb.APPROVE, "pm", "fine", now).accepted
    store.start_incident("on-call", "the database is down", (FLAG,), DAY, now)
    store.end_incident(None, "on-call", "it is up", now + DAY / 2)
    rollout = store.rollout(NAME)
    step.step(store, NAME, now, judged(rollout, rollout.plan, now, Verdict.BREACH))
    return store


def test_nothing_is_found_in_what_was_written(eventful: Store) -> None:
    """All journals are one chain from the submit on, and the head is its end."""
    head = eventful.head()
    ends = 2 * len(eventful.incidents())
    assert head.count == len(eventful.journal(NAME)) + len(eventful.flag_journal(FLAG)) + ends
    with eventful.frozen() as tx:
        assert [] == _found(tx, eventful.secrets)
        assert [] == _found(tx, eventful.secrets, Head.parse(str(head)))


def test_every_edit_of_every_cell_is_found(eventful: Store) -> None:
    """Each column of each line, changed behind the triggers: PostgreSQL's first and last lines stand for the rest."""
    missed, tried = [], 0
    for table, place, name, edit in _edits(eventful):
        with _opened(eventful.engine) as tx:
            value = edit.format(name)
            changed = f"UPDATE {table} SET {name} = {value} WHERE link = {place} AND {name} IS DISTINCT FROM {value}"
            if tx.execute(text(changed)).rowcount:
                tried += 1
                if not _found(tx, eventful.secrets):
                    missed.append((table, place, name, edit))
    assert [] == missed
    assert tried > 90


@pytest.mark.parametrize("table", [table.name for table in JOURNALS])
def test_every_deleted_line_is_found(eventful: Store, table: str) -> None:
    """A gap is told by the line before it, and the end by the head that the store holds."""
    for link in _links(eventful, table):
        with _opened(eventful.engine) as tx:
            tx.execute(text(f"DELETE FROM {table} WHERE link = {link}"))
            found = _found(tx, eventful.secrets)
            last = link == eventful.head().count
            assert (Wrong.CUT if last else Wrong.MISSING) in {one.wrong for one in found}


def test_every_pair_of_swapped_lines_is_found(eventful: Store) -> None:
    """Two lines of a journal that take each other's place in the chain, seals and all."""
    links = _links(eventful, "flag_journal")
    for one, other in pairwise(links):
        with _opened(eventful.engine) as tx:
            for before, after in ((one, -1), (other, one), (-1, other)):
                tx.execute(text(f"UPDATE flag_journal SET link = {after} WHERE link = {before}"))
            assert {one, other} <= {found.link for found in _found(tx, eventful.secrets)}


@pytest.mark.parametrize("link", [0, 1, 1000])
def test_an_inserted_line_is_found(eventful: Store, link: int) -> None:
    """A copy of a line as another revision: before the chain, beside the submit's line, or behind the end."""
    with _opened(eventful.engine) as tx:
        tx.execute(text("CREATE TEMPORARY TABLE forged AS SELECT * FROM journal WHERE revision = 2"))
        tx.execute(text(f"UPDATE forged SET revision = 99, link = {link}"))
        tx.execute(text("INSERT INTO journal SELECT * FROM forged"))
        found = _found(tx, eventful.secrets)
        tx.execute(text("DROP TABLE forged"))
    assert (NAME, 99) in {(one.name, one.revision) for one in found} or link == 1000
    assert {Wrong.INSERTED if link < 1000 else Wrong.MISSING} <= {one.wrong for one in found}


def test_a_cut_tail_is_found_by_the_published_head(eventful: Store) -> None:
    """Lines deleted and the store's head set back: only what was told to the world shows it."""
    published = eventful.head()
    with _opened(eventful.engine) as tx:
        for table in JOURNALS:
            tx.execute(text(f"DELETE FROM {table.name} WHERE link > 5"))
        mac = tx.execute(
            text("SELECT mac FROM journal WHERE link = 5 UNION SELECT mac FROM flag_journal WHERE link = 5")
        )
        tx.execute(text("UPDATE journal_head SET lines = 5, mac = :mac"), {"mac": mac.scalar_one()})
        assert [] == _found(tx, eventful.secrets)
        (one,) = _found(tx, eventful.secrets, published)
        assert (Wrong.CUT, published.count) == (one.wrong, one.link)


def test_lines_without_their_key_are_told_by_its_name(eventful: Store) -> None:
    """With another key nothing can be said of the content, and that is not passed over."""
    with eventful.frozen() as tx:
        assert {Wrong.UNKNOWN_KEY} == {one.wrong for one in _found(tx, Secrets.of(b"another"))}


def test_a_new_key_goes_on_where_the_old_one_stopped(eventful: Store) -> None:
    """After a rotation the last key seals, and both verify."""
    (old,) = eventful.secrets.by_id.values()
    rotated = Store(eventful.engine, "test", secrets=Secrets.of(old, b"new"))
    assert step.command(rotated, NAME, Verb.RESUME, "pm", "a bug", BEGIN + 4 * DAY).accepted
    with rotated.frozen() as tx:
        assert [] == _found(tx, rotated.secrets)
        assert _found(tx, eventful.secrets)


def test_rollouts_that_move_at_once_share_one_chain(engine: Engine) -> None:
    """Commits of different rollouts queue for the head, none waits in a circle, and the chain holds."""
    names = [f"search-{number}" for number in range(4)]
    for number, name in enumerate(names):
        submitted(Store(engine, "test"), name, f"flag-{number}")
    gate = threading.Barrier(len(names))
    threads = [threading.Thread(target=_live, args=(Store(engine, name), name, gate)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    store = Store(engine)
    assert len(names) * (1 + 2 * 11) == store.head().count
    with store.frozen() as tx:
        assert [] == _found(tx, store.secrets)


def _live(store: Store, name: str, gate: threading.Barrier) -> None:
    """Start, then five holds and five resumes."""
    gate.wait(30)
    step.step(store, name, BEGIN)
    for _ in range(5):
        for verb in (Verb.HOLD, Verb.RESUME):
            assert step.command(store, name, verb, "pm", "", BEGIN).accepted


def _found(tx: Connection, secrets: Secrets, published: Head | None = None) -> list[Broken]:
    return [one for some in audit(tx, secrets, published) for one in some]


@contextmanager
def _opened(engine: Engine) -> Iterator[Connection]:
    """A transaction in which the triggers sleep, as for anyone with the database's password; undone at the end."""
    with Store(engine).frozen() as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            tx.execute(text("PRAGMA defer_foreign_keys = ON"))
            for table in JOURNALS:
                for verb in ("update", "delete"):
                    tx.execute(text(f"DROP TRIGGER {table.name}_no_{verb}"))
        yield tx
        tx.rollback()


def _links(store: Store, table: str) -> list[int]:
    with store.reading() as tx:
        return list(tx.execute(text(f"SELECT link FROM {table} ORDER BY link")).scalars())


def _edits(store: Store) -> Iterator[tuple[str, int, str, str]]:
    """Every edit of every cell: table, number in the chain, column, and the new value in SQL."""
    dialect = store.engine.dialect
    for table in JOURNALS:
        links = _links(store, table.name)
        for link in links if dialect.name == "sqlite" else (links[0], links[-1]):
            for column in table.columns:
                kind = column.type.compile(dialect).partition(" ")[0]
                odd = OF_SQLITE if dialect.name == "sqlite" and kind in {"VARCHAR", "TEXT"} else ()
                for edit in (*EDITS[kind], *odd, *(("NULL",) if column.nullable else ())):
                    yield table.name, link, column.name, edit
