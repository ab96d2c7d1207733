"""Measures Synapse beside what one would write without it: `make bench`, explained in docs/performance.md."""
