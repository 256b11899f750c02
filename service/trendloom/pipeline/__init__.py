"""The stairs: the only place where rooms meet."""
