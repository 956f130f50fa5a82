"""Sources: one publisher, or one kind of file, a module."""
