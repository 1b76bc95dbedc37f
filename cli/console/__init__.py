"""`relay console`: a page on this machine that shows a stack's events, tries definitions, and redrives."""
