"""Runs migrations on the connection that ``ctrain.store.upgrade`` hands over, in its transaction."""

from alembic import context

from ctrain.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
