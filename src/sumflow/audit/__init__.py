"""Proves from outside that every accepted addition is counted exactly once, while the system runs under load.

Two databases that never share a transaction keep the same books: the adder's lanes and the totalizer's marks. The audit
reads both at a consistent cut and compares them (`compare`, pure); with events (`deep`) it also reads outbox and topic.
"""
