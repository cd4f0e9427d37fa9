"""Counts what Kafka delivers, exactly once, in its own PostgreSQL; tells the total by REST and on a live page."""
