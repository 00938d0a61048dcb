"""The operator's file in the data folder, by name: what every command needs to know of it without reading sources."""

FILE = "sluice.toml"
TABLES = ("sources", "secrets")
