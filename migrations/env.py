"""Runs on the connection `app/migrate.py` hands over; there is no offline mode and no downgrade."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True, version_table="schema_version")
with context.begin_transaction():
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    context.run_migrations()
