"""Slow, greedy and hostile clients against the services' real processes."""
