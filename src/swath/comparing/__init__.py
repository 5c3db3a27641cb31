"""From the runs of a sweep to an answer: which are best, how sure that is, and what mattered."""
