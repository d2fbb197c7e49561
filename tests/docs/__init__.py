"""What README and docs promise is so."""
