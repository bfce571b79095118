"""`make results`: every task under every protocol, with floors and ceilings, as docs/results.md."""
