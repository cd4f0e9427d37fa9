"""Tests of the contract that both services share."""
