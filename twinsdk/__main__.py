"""`python -m twinsdk`."""

import sys

from twinsdk.cli import main

sys.exit(main())
