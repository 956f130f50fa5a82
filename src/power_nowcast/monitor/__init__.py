"""The watch: it reads tables of nowcasts, scores and events, and never the memory of the loop."""
