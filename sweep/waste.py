"""Why something in a runs folder, or in its storage, is needed by nobody any more."""

import re

UNNAMED = "finished stages that no study names"
ENDED = "unfinished stages that no trial goes on with"
DAMAGED = "stages that were set aside as damaged"
SURPLUS = "files that writers left in stages"
SCRATCH = "folders that drivers left"
REASONS = (UNNAMED, ENDED, DAMAGED, SURPLUS, SCRATCH)

KEY = re.compile(r"[0-9a-f]{64}")
"""The name of a stage's folder."""
