"""Woven and knitted cloth by computation, with labels; dyes and quilting of real swatches."""
