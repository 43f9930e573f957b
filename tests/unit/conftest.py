"""The profile of hypothesis for these tests."""

from hypothesis import settings

# Use the same examples in each run, so that a failure comes again. The fuzzer looks for other examples. There is no
# deadline, because no test measures time.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")
