"""``python -m abcwebrtc``."""

import sys

from abcwebrtc.cli.main import main

sys.exit(main())
