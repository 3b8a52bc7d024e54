"""The command line: `aiojobs-lite`."""
