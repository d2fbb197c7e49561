"""The proof of the fit: rendered people of known bodies, and label images of real clips."""
