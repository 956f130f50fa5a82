"""Regions of many zones, worked on by blocks: a block is a small region with tables and bundles of its own."""
