"""Tests of what adder and totalizer share about PostgreSQL."""
