"""What all of these tests need: the profile of hypothesis."""

import hypothesis_profile  # noqa: F401  # loads it
