"""How good a denoised image is, told without a clean one."""
