"""Studies: composition of search, cluster, tracking and report; the commands."""
