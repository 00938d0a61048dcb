"""One-time codes of a person's device (TOTP, RFC 6238: HMAC-SHA-1, six digits, thirty seconds).

For forms whose fields are stored in the clear: a code that was used is worth nothing to whoever reads it later.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime, timedelta
from urllib.parse import quote

SECONDS = 30
DIGITS = 6
SKEW = 1
"""Steps that a device's clock may be off, either way."""
SECRET_BYTES = 20
WRONG_IN_A_ROW = 5
PAUSE = timedelta(minutes=15)


def code(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a step (RFC 4226, section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8), "sha1")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4]) & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_at(at: datetime) -> int:
    """The step of time that an instant lies in."""
    return int(at.timestamp()) // SECONDS


def matched(secret: str, given: str, at: datetime, used: int | None) -> int | None:
    """The step whose code this is, later than the last one that was `used`; None where it is none."""
    spoken, key = "".join(given.split()), base64.b32decode(secret)
    steps = range(step_at(at) - SKEW, step_at(at) + SKEW + 1)
    fresh = (step for step in steps if used is None or step > used)
    return next((step for step in fresh if hmac.compare_digest(code(key, step).encode(), spoken.encode())), None)


def paused_until(wrong: int, wrong_at: datetime | None, now: datetime) -> datetime | None:
    """Until when codes are not even looked at, after too many wrong ones; None where they are."""
    if wrong < WRONG_IN_A_ROW or wrong_at is None or now >= wrong_at + PAUSE:
        return None
    return wrong_at + PAUSE


def enrolment(secret: str, person: str) -> str:
    """The address that a device reads to make codes, as a QR code or pasted (Key URI format)."""
    return f"otpauth://totp/Sluice:{quote(person)}?secret={secret}&issuer=Sluice"


def new_code_secret(random: bytes) -> str:
    """Random bytes as devices take them: base32 without padding, from SECRET_BYTES of them."""
    return base64.b32encode(random).decode().rstrip("=")
