"""The text of od.config: read into plain values with their line numbers, never run."""
