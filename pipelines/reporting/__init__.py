"""The quality report of a build: facts from its tables, findings to act on, and a page to look at."""
