"""Drawing: the OpenGL context, what lives in it, the renderer and the ids in its drawings."""
