"""The trainer of the shape prior, on people whose build the features do tell."""

from __future__ import annotations

import numpy as np
import pytest

from inference.fit.anatomy import GIRTH_GROUPS
from inference.fit.shape_prior import FEATURES, ShapePrior
from mirror.errors import MirrorError
from workshop.train.shape_prior import FOLDS, Example, train

pytestmark = pytest.mark.slow

SHAPE, GROUPS = 10, len(GIRTH_GROUPS)


def people(count: int, noise: float) -> list[Example]:
    """``noise`` of the values, in which there is nothing but noise."""
    rng = np.random.default_rng(4)
    way = rng.normal(size=(FEATURES, SHAPE + 2 * GROUPS)) / np.sqrt(FEATURES)
    out = []
    for number in range(count):
        build = rng.normal(size=FEATURES)
        pictures = build + 0.1 * rng.normal(size=(5, FEATURES))
        pictures[0, 3] = np.nan
        values = build @ way + noise * rng.normal(size=way.shape[1])
        values[SHAPE : SHAPE + GROUPS] = 0.0
        values[SHAPE + GROUPS :] = 0.03 + 0.01 * values[SHAPE + GROUPS :]
        if number % 3 == 0:
            values[-1] = np.nan
        out.append(Example(number, pictures, values))
    return out


def test_what_features_tell_is_learnt() -> None:
    """A training run would write weights that say nothing of anybody."""
    examples = people(400, 0.1)
    arrays, share = train(examples[:360], SHAPE)
    assert share[:SHAPE].min() > 0.5
    prior = ShapePrior(arrays)
    told = np.array([np.mean([prior.expect(p) for p in e.features], axis=0) for e in examples[360:]])
    true = np.array([e.values for e in examples[360:]])
    off = told[:, :SHAPE] - true[:, :SHAPE]
    assert off.std() < 0.5 * true[:, :SHAPE].std()


def test_noise_leaves_the_prior_as_wide_as_people_are() -> None:
    """The fit would believe a guess that is none, against what it sees."""
    rng = np.random.default_rng(5)
    examples = [Example(e.person, rng.normal(size=e.features.shape), e.values) for e in people(200, 1.0)]
    arrays, share = train(examples, SHAPE)
    assert share[:SHAPE].max() < 0.1
    spread = np.nanstd([e.values for e in examples], axis=0)[:SHAPE]
    assert (np.sqrt(np.diag(arrays["covariance"]))[:SHAPE] > 0.9 * spread).all()


def test_too_few_people_are_refused() -> None:
    """A run over a folder with next to nothing in it would end in weights."""
    with pytest.raises(MirrorError, match="too few"):
        train(people(FOLDS - 1, 0.1), SHAPE)
