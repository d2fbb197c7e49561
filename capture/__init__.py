"""From cameras, clips and pictures to frames in shared memory. Knows the spine alone."""
