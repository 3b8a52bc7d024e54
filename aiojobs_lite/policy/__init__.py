"""Pure decisions: what follows an attempt, what follows a step that failed, and which missed ticks run."""
