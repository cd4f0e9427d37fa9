"""Tests of sumflow.bench."""
