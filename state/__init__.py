"""What is true and how it came to be: one store over SQLite or PostgreSQL, and the clock its processes share."""
