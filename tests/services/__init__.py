"""Services that tests start on loopback, one at a time: PostgreSQL, an MLflow server, an object store."""
