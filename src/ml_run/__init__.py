"""ml-run: decide whether a text classifier for a language with little data is good enough to deploy."""

__version__ = "0.1.0"
