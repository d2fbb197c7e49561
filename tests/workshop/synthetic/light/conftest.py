"""One rendered person for all tests of the light network: making the paint takes seconds."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.model import BodyModel
from workshop.synthetic.light.mannequins import Mannequin, MannequinMaker


@pytest.fixture(scope="session")
def model() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope="session")
def maker(model: BodyModel) -> MannequinMaker:
    return MannequinMaker(model)


@pytest.fixture(scope="session")
def mannequin(maker: MannequinMaker) -> Mannequin:
    """Somebody in plain clothes who faces the camera, head and trunk in view."""
    return maker.make(np.random.default_rng([21, 2]), (240, 320), plain=True)
