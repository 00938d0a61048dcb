"""One-time codes against the RFC's own values."""

import pytest

from state.codes import code


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, expected: str) -> None:
    """Appendix B, the rows of SHA-1; six digits are the last six of eight."""
    secret = b"12345678901234567890"
    assert (expected, expected[2:]) == (code(secret, seconds // 30, 8), code(secret, seconds // 30))
