"""The pages that `sweep/view.py` shows in a browser; what they draw and tell is made elsewhere."""
