"""The board: what a person sees in a browser, rendered here from the store; it changes nothing."""
