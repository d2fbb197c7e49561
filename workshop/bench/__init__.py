"""How fast: the mirror beside the pose network alone and beside a naive mirror."""
