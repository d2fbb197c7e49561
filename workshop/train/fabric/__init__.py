"""The training of the fabric generator, a GAN."""
