"""``python -m schema > schema.graphql`` writes the schema as clients see it."""

import sys

from schema.schema import print_schema

sys.stdout.write(print_schema())
