"""Types that every package shares: arrays by their element, pictures, and OpenCV without its stubs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["F32", "F64", "I64", "Floats", "Picture", "cv"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]  # (H, W) or (H, W, channels); three channels are BGR unless said otherwise

#: OpenCV. Its stubs lose the element type of what goes in, so that every result would need a cast.
cv: Any = cv2
