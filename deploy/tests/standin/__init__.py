"""A stand-in for the provider hashicorp/aws that knows the real schema, plans, and talks to nobody."""
