"""From a frame and its body to the dressed picture. Knows the spine and ``inference.body``."""
