"""The rendered person of the synthetic scenes."""

from tests.workshop.synthetic.light.conftest import maker, mannequin, model

__all__ = ["maker", "mannequin", "model"]
