"""Documents in, dataset folder out: the stages from ingest to export."""

__version__ = "0.1.0"
