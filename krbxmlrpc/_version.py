"""The one place that holds the version; packaging and the User-Agent header read it from here."""

__version__ = "0.1.0"
