"""Speaks to the pipeline from outside: gRPC to the adder, REST to the totalizer, and whole files through both."""
