"""The use cases: each file has one, with the name of the command that calls it. Commands print; jobs do the work."""
