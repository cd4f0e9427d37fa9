"""The whole system on this machine, through the command that a person types."""
