"""A deterministic simulation of the exactness protocol: the real code on simulated time, storage and network."""
