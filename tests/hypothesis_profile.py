"""The same examples in each run, so that what failed fails again; to look for others is the fuzzer's part."""

from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")
