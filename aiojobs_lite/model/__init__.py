"""Pure data: what is stored, and what is asked of a store."""
