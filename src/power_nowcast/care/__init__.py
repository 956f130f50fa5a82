"""Care of the data: what is there, what is missing, whether it can be true, and whether everything is within reach."""
