"""Made-up data with known truth: people, light, cloth, and the built-in clip."""
