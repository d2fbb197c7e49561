"""Fabrics that a generative adversarial network weaves: source, data, training, sampling, proof."""
