"""The rendered person of the synthetic scenes."""

from tests.workshop.synthetic.light.conftest import figure, maker, model

__all__ = ["figure", "maker", "model"]
