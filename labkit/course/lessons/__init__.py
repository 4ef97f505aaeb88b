"""The lessons, a package each: ``lNN_slug`` with its text, exercises, checks and answers."""
