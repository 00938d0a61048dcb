"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `state.database` hands over."""

from __future__ import annotations

from alembic import context

from state.tables import rollouts

context.configure(connection=context.config.attributes["connection"], target_metadata=rollouts.metadata)
context.run_migrations()
