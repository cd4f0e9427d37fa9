"""Lets `python -m sumflow` be the command, so that a supervisor can start services without a PATH."""

from sumflow.cli import main

main()
