"""The command line: arguments become a request, the result becomes text. Nothing is computed here."""
