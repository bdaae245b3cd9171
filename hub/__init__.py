"""Team Signals Hub: what every department's tools know, told to each role it matters to."""

__version__ = "0.1.0"
