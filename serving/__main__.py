"""The flag server as a process: `python -m serving --data DIR --host 127.0.0.1 --port 8800`.

It prints nothing but errors and ends on SIGTERM, open event streams included.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from serving.guard import loopback
from serving.http1 import Http1
from serving.keyring import KeylessError, Lock
from state.database import url_from_environment
from state.errors import StoreError

if TYPE_CHECKING:
    from serving.house import House

GRACE_SECONDS = 3
REFUSED = 1
WRONG_USAGE = 2
SWITCH_SECONDS = 0.0005
"""How long a thread at the store may keep evaluations waiting; Python's own choice is ten times that."""


class Server(uvicorn.Server):
    """uvicorn, told to end its event streams when it is told to stop."""

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        super().__init__(config)
        self._house = house

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop; it is answered here, so that stopping when told is exit code 0."""
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        self._house.close()


def main(arguments: list[str]) -> int:
    """Serve until told to stop; gives the exit code."""
    options = _options(arguments)
    from serving.house import House  # noqa: PLC0415 - wrong usage is told before everything is loaded

    environment = dict(os.environ)
    if options.data is not None:
        environment["SLUICE_DATA"] = str(options.data)
    lock = Lock.WITH_KEYS if loopback(options.host) else Lock.ALWAYS
    try:
        house = House.open(url_from_environment(environment), environment, lock)
    except KeylessError as error:
        sys.stderr.write(f"host {options.host}: {error}\n")
        return WRONG_USAGE
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    config = uvicorn.Config(
        house.app,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=Http1,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=2048,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    server = Server(config, house)
    server.run()
    return 0 if server.started else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve flags over OFREP.")
    parser.add_argument("--data", type=Path, help="the data folder (default: SLUICE_DATA, else ./.sluice)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8800)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
