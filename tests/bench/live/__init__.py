"""Streams to many clients, beside what others make of the same: goals, and how they are measured.

`load` is the clients, `serve` the servers, `fanout` asks both and compares.
"""
