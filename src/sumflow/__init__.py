"""SumFlow: running totals that are exactly right."""

__version__ = "0.1.0"
