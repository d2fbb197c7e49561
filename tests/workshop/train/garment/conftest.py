"""Garments that are easy to check."""

from tests.workshop.tailor.alike.conftest import body, cut_folder, held, noise

__all__ = ["body", "cut_folder", "held", "noise"]
