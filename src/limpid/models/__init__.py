"""Networks: their architectures, their cards, and the weight files that ship."""
