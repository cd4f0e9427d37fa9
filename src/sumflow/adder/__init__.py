"""The service that accepts additions: stored in one transaction, answered after it, published by the relay.

The writer's side is service, writer, session, grouping and requests; the relay's is relay, claims, publisher, outbox.
"""
