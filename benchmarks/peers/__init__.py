"""A benchmark of libraries that nowcast load: each an adapter of `base.Peer` in a module of its own."""
