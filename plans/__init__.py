"""What a product manager writes: the plan, its grammar, its loading and its calendar."""
