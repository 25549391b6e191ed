"""One step of the run each: typed, frozen input and output; results land in the experiment folder."""
