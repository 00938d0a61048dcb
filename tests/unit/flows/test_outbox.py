"""The log channel: every notice one line, exactly once, whatever is killed."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

from flows.advance import advance
from flows.outbox import FILE, LogChannel, deliver
from state.rows import Notification
from tests.unit.flows.world import World

NOTICE = Notification(
    id=1,
    rollout="search",
    revision=1,
    event="started",
    title="search: started",
    body="200 users get v2\nby sluice",
    at=datetime(2026, 12, 1, tzinfo=UTC),
)


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]


def test_a_notice_is_one_structured_line(tmp_path: Path) -> None:
    """The line carries what happened, to which rollout, and the card with the evidence."""
    echo = io.StringIO()
    LogChannel(tmp_path / FILE, echo).tell(NOTICE)
    (line,) = _lines(tmp_path / FILE)
    assert (line["outbox"], line["event"], line["body"]) == (1, "started", NOTICE.body)
    assert json.loads(echo.getvalue()) == line


def test_a_crash_between_line_and_mark_repeats_nothing(tmp_path: Path) -> None:
    """A process that died after writing is followed by one that reads the file before it writes."""
    world = World(tmp_path)
    world.submit("search")
    advance(world.house.store, world.house.clock, "search", world.house.collect)
    (waiting,) = world.house.store.outbox_pending()
    LogChannel(tmp_path / FILE, io.StringIO()).tell(waiting)
    assert deliver(world.house, LogChannel(tmp_path / FILE, io.StringIO())) == (waiting,)
    assert world.house.store.outbox_pending() == ()
    assert len(_lines(tmp_path / FILE)) == 1


def test_a_line_torn_by_a_crash_is_written_again_whole(tmp_path: Path) -> None:
    """Half a line is no proof of delivery."""
    (tmp_path / FILE).write_text('{"outbox": 1, "at', encoding="utf-8")
    LogChannel(tmp_path / FILE, io.StringIO()).tell(NOTICE)
    assert (tmp_path / FILE).read_text(encoding="utf-8").splitlines()[0] == '{"outbox": 1, "at'
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8").splitlines()[1])["title"] == "search: started"


def test_two_supervisors_on_one_file_write_one_line(tmp_path: Path) -> None:
    """A channel learns what another one wrote since it last looked."""
    one, other = (LogChannel(tmp_path / FILE, io.StringIO()) for _ in range(2))
    for channel in (one, other, one):
        channel.tell(NOTICE)
    assert len(_lines(tmp_path / FILE)) == 1
