"""The tiny world: arithmetic problems, a small teacher that reasons about them at length, and how both were made."""
