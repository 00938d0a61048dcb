"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `state.database` hands over."""

from __future__ import annotations

from alembic import context

from state import count_tables, tables

KNOWN = (tables.rollouts.metadata, count_tables.buckets.metadata)

context.configure(connection=context.config.attributes["connection"], target_metadata=KNOWN)
context.run_migrations()
