"""The definitions that are deployed, and what builds them into a package."""
