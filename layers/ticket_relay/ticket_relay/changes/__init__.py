"""What an update sets, what others changed, and whether the two are in each other's way. Pure functions."""
