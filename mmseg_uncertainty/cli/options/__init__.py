"""Options of the commands, one module each; importing them imports nothing that takes time."""
