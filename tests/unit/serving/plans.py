"""A small plan, as text, that these tests submit."""

PLAN = """\
sluice: 1
name: case-law-v24
flag: case-law-ai
stable: {model: v2.3, min_confidence: 0.7}
candidate: {model: v2.4, min_confidence: 0.7}
audience:
  size: 20000
phases:
  - {name: alpha, expose: 1%, hold: 1d}
  - {name: ga, expose: 100%, hold: 1d}
metrics:
  error_rate: {source: events, bad: error, of: request}
stop:
  criteria: [error_rate > 2x control]
"""
