"""The pure core: values, decisions and words; no I/O, no clock, no randomness."""
