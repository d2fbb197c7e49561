"""The training of the network that corrects landmarks."""
