"""Brings a system back after a loss that it cannot get over by itself: of Kafka's records, or of a database.

The adder's database is the authority: its lanes keep number and sum of everything that was ever accepted. From them
the totals are rebuilt (`plan`, pure; `rebuild`, the one transaction that does it).
"""
