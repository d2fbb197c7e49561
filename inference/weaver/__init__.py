"""The process that makes a new fabric while the mirror runs, beside the flow of frames."""
