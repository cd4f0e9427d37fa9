"""The one-machine runtime: its decisions as values, its edges on real processes."""
