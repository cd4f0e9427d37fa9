"""Breaks a system on purpose, under a steady load of clients that keep their own books, and judges what it cost.

What is broken when is decided beforehand, by a seed (`plan`, pure); `conduct` carries it out on a `Target` and takes
each fault back again; `verdict`, pure, compares the clients' books with the audit's.
"""
