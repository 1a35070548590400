"""The way of a bag: packed, promised a time, driven up for, handed through the window."""
