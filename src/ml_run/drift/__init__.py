"""Drift: what texts look like in numbers, and whether new ones differ from those the model was tested on."""
