"""Tests of what the services show of themselves."""
