"""Forward-only schema steps; `renmai migrate` runs them as the owner role."""
