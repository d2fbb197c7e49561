"""The training of every network that ships, with the logs of it. Needs the extra ``train``."""
