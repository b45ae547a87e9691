"""What all of the pipeline shares: errors, files, locks, recipes, scores, what stages write for each other."""
