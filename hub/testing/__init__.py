"""Certification: the real hub reads a stateful twin of the API while faults are played on it."""
