"""The specification's testing checklist, run live: the same checks against one machine and against a cluster.

A check is a sentence, a reason, a hint and a time limit; it speaks to a `Target`, which each runtime provides.
"""
