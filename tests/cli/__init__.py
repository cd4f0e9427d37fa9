"""Tests of sumflow.cli."""
