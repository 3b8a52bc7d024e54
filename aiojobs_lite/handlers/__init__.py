"""From a function to JSON and back: job types, their signatures and their options."""
