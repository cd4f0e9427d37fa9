"""Recovery from losses: what is decided, and the same on real servers."""
