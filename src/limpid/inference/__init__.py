"""Networks at work: runtimes, precision, and the denoiser made of them."""
