"""Pure decisions: what follows an attempt, and which missed ticks run."""
