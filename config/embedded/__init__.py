"""The one-command run: a bootstrap, two real servers from wheels, and a supervisor for the product's processes.

Nothing in here is imported by the product itself; production installs neither the servers nor psutil.
"""
