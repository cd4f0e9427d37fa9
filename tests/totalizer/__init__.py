"""Tests of the totalizer."""
