"""What all of these tests need: the profile of hypothesis."""
