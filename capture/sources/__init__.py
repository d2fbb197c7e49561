"""What frames come from: cameras, clips, still pictures; one protocol and one registry."""
