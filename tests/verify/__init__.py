"""Tests of sumflow.verify."""
