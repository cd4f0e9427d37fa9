"""Starts the servers that the tests speak to, with the code that `sumflow up` starts them with."""
