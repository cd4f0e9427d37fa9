"""Chaos: what is decided by values, the proxy, the clients, and one real run."""
