"""The second runtime: the declared system on Kubernetes.

What to do is decided in values (stages, readiness, preflight, difference, settle); `client` and its neighbours carry
it out.
"""
