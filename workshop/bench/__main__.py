"""``python -m workshop.bench pose|naive CLIP GARMENT SECONDS``: a contestant of ``mirror bench``."""

from __future__ import annotations

import sys
from pathlib import Path

from workshop.bench.speed import work

if __name__ == "__main__":
    what, clip, garment, seconds = sys.argv[1:]
    sys.exit(work(what, Path(clip), garment, float(seconds)))
