"""Tests of the adder and the relay."""
