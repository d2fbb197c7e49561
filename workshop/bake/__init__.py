"""Bakes of bodies and of what is measured on them, into the arrays that ship. Run offline."""
