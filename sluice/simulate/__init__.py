"""A rehearsal: the real core, gates and store, over virtual time and pretended traffic."""
