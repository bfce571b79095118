"""A comparison to look at, and to put into a paper: one HTML file, or tables in other formats."""
