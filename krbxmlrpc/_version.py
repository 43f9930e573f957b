"""The only place that defines the version. Packaging and the User-Agent header read it from here."""

__version__ = "0.1.0"
