"""The command `gm-keras`: `cli` reads the command line, a module does each thing."""
