"""Drawing: the OpenGL context, what lives in it, the renderer and the marks of its drawings."""
