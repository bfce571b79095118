"""What measures this repository and writes its pages; not part of the package."""
