"""The automation platform, as far as its metrics go."""
