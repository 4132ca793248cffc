"""Training networks (needs torch): configuration, patches, noise, losses, the loop."""
