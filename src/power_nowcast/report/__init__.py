"""Reports: pages, plots and words for people."""
