"""Several composers in one process, as the proofs have them."""

from __future__ import annotations

import numpy as np

from inference.body.model import BONES, BodyModel
from mirror.messages import Body
from render.compose.frame_composer import FrameComposer
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment
from render.garments.outfit import cloth_of

H, W = 240, 320


def standing(model: BodyModel) -> Body:
    """Somebody who faces the camera, 2.6 m away."""
    turns = np.tile(np.eye(3), (len(BONES), 1, 1))
    turns[0] = np.diag([1.0, -1.0, -1.0])
    transforms = model.pose(turns, model.joints, np.array([0.0, 0.1, 2.6]) - model.joints[0])
    return Body(
        seq=0,
        t_ns=0,
        t_capture_ns=0,
        t_source_ns=0,
        image=None,
        masks=None,
        tracked=True,
        bone_transforms=np.asarray(transforms, np.float32).tobytes(),
        shape=[0.0] * model.components,
        intrinsics=(300.0, 300.0, W / 2, H / 2),
    )


def test_a_composer_is_closed_while_another_one_draws() -> None:
    """Closing the first freed what lives in the second's context, or ended the proof with a GL error."""
    model = BodyModel.load()
    shirt = cloth_of(load_garment("tshirt"), load_fabric("jersey_navy"), "M")
    first, second = FrameComposer(model), FrameComposer(model)
    try:
        for composer in (first, second):
            composer.wear(composer.prepare([shirt]))
        pictures = []
        for closing in (False, True):
            if closing:
                first.close()
            picture = np.full((H, W, 3), 200, np.uint8)
            second.begin(standing(model), H, W)
            assert second.finish(picture, None, {}).garments == ["tshirt"]
            pictures.append(picture)
        np.testing.assert_array_equal(pictures[0], pictures[1])
        assert (pictures[0] != 200).any()
    finally:
        second.close()
