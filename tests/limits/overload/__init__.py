"""An hour's sums in minutes: more is offered than the system takes, and the memory of every process is watched."""
