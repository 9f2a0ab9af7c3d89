"""``python -m abcwebrtc``."""

import sys

from abcwebrtc.cli import main

sys.exit(main())
