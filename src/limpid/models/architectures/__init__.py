"""One module per architecture; each is imported only when it is built (needs torch)."""
