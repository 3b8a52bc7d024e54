"""How the command line shows what it has read: as text, and as JSON. Nothing is read here."""
