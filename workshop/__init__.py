"""What makes all that the mirror ships with, and proves it. Nothing live imports this package.

Its packages know each other in one direction, each only those before it:

``synthetic``
    people, fabrics and light with a known truth, drawn by the computer;
``bake``
    the body model's files and what is measured once on synthetic people;
``tailor``
    patterns, cutting, draping, import and export of garments and fabrics;
``train``
    networks and priors, and the data sets that they learn from;
``evaluate``
    the proofs: how far what ships is from the truth, and from baselines;
``bench``
    how fast the mirror runs.
"""
