"""The tests of SumFlow: pure units, real servers, the whole system."""
