"""`python -m forearm` is `forearm`."""

import sys

from forearm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
