"""Steps that only sessions have."""
