"""The light that falls on the person, as spherical harmonics: by a network, else analytically."""
