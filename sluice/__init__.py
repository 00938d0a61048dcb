"""The front door: the command line, the settings, everything in one process tree, and the demo."""
