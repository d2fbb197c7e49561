"""All that makes what the mirror ships with, and proves it. Nothing live imports it."""
