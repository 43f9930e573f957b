"""All of the packaging is in setup.cfg."""

from setuptools import setup

setup()
