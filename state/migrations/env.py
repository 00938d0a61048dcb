"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `state.database` hands over."""

from __future__ import annotations

from alembic import context

from state import count_tables, former_plans, tables

KNOWN = (tables.rollouts.metadata, count_tables.buckets.metadata, former_plans.former_plans.metadata)

context.configure(connection=context.config.attributes["connection"], target_metadata=KNOWN)
context.run_migrations()
