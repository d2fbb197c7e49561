"""From a frame and its body to the composed picture. Knows the spine and ``inference.body``."""
