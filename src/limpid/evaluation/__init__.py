"""How good a denoiser is: measures, data sets to measure on, and the benchmark that joins them."""
