"""The demonstration: a real task on data made here; the model's replies are a recording unless a real one is named."""
