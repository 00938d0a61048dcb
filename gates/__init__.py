"""Evidence into verdicts: what was counted, held against what the plan allows."""
