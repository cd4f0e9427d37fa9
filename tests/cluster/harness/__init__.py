"""Tests of the test harness itself: a stand-in that is not what it stands for would make every test on it worthless."""
