"""The use cases: one a file, named as the command that calls it. Commands print; what is done is done here."""
