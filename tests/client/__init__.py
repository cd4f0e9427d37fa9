"""Tests of sumflow.client."""
