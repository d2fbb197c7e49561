"""The tiny swatch set and the shipped generator."""

from tests.workshop.synthetic.fabric.conftest import shipped, swatches

__all__ = ["shipped", "swatches"]
