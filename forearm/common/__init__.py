"""What every floor of the front door uses: files, processes, seeds, progress."""
