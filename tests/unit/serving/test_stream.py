import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson

from rollout.exposure import Flag
from serving.asgi import Message
from serving.flags import FlagSet
from serving.stream import STREAM_PATH, Streams

SCOPE = {"type": "http", "method": "GET", "path": STREAM_PATH, "headers": []}


class Listener:
    """One client of a stream; `events` are the payloads it was sent."""

    def __init__(self, streams: Streams) -> None:
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._left = asyncio.Event()
        self.task = asyncio.create_task(streams(SCOPE, self._receive, self._sent.put))

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def event(self) -> dict[str, object]:
        """The next event's data."""
        while not (body := (await asyncio.wait_for(self._sent.get(), 10)).get("body")):
            pass
        data = next(line for line in body.splitlines() if line.startswith(b"data: "))
        payload: dict[str, object] = orjson.loads(data.removeprefix(b"data: "))
        return payload

    async def leave(self) -> None:
        """Hang up and wait until the server has noticed."""
        self._left.set()
        await asyncio.wait_for(self.task, 10)


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Run one story in a loop of its own."""
    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_change_reaches_every_open_stream(flag: Flag) -> None:
    """Each listener is told on connecting and again after a change made by another thread."""

    async def story() -> None:
        flags = FlagSet([flag])
        streams = Streams(flags)
        listeners = [Listener(streams) for _ in range(3)]
        before = [await one.event() for one in listeners]
        await asyncio.to_thread(flags.update, [replace(flag, exposure=50_000)])
        after = [await one.event() for one in listeners]
        assert {"refetchEvaluation"} == {str(one["type"]) for one in before + after}
        assert {f'"{flags.snapshot.tag}"'} == {one["etag"] for one in after} != {one["etag"] for one in before}
        assert streams.open == 3
        for one in listeners:
            await one.leave()
        assert streams.open == 0

    run(story)


def test_a_quiet_stream_is_refreshed_by_its_heartbeat(flag: Flag) -> None:
    """Without any change the same event comes again."""

    async def story() -> None:
        one = Listener(Streams(FlagSet([flag]), heartbeat=0.01))
        assert await one.event() == await one.event()
        await one.leave()

    run(story)


def test_closing_ends_every_stream(flag: Flag) -> None:
    """A server that stops does not wait for its listeners."""

    async def story() -> None:
        streams = Streams(FlagSet([flag]))
        one = Listener(streams)
        await one.event()
        await asyncio.to_thread(streams.close)
        await asyncio.wait_for(one.task, 10)

    run(story)
