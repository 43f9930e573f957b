"""The packaging is in setup.cfg, apart from the description for package indexes: README with links that work there."""

import re
from pathlib import Path

from setuptools import setup

FILES = ""
"""The address of the project's files on a forge, with a slash at the end. The project has no public address yet, so it
is empty, and the links of README lead to files of the clone."""


def description(files=FILES):
    """Return README, with links and pictures that lead to the forge: an index has no files beside the description."""
    readme = (Path(__file__).resolve().parent / "README.rst").read_text(encoding="utf-8")
    return re.sub(r"^(\.\. (?:_[^:]+:|image::) )(?!\w+:)", rf"\g<1>{files}", readme, flags=re.MULTILINE)


if __name__ == "__main__":
    setup(long_description=description())
