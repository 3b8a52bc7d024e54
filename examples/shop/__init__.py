"""A shop: an application of several modules, with background jobs."""
