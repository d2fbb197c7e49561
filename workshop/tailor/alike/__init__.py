"""Which garments are alike, by a learned encoder, and what cloth suits them."""
