"""What the product promises, while its parts die: real processes, one load for each fault, one checker for all.

`make chaos` runs it; it is no part of `make test`, as it wants the machine and its servers for itself.
"""
