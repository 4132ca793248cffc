"""One function per verb; the only place where the parts are joined."""
