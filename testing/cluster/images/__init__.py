"""Builds image archives from this machine's files, since the cluster can pull nothing. For tests, not to ship."""
