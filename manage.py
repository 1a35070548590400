"""Django's command line."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    for patience in ("STATEMENT_TIMEOUT_MS", "LOCK_TIMEOUT_MS", "IDLE_IN_TRANSACTION_MS"):
        os.environ.setdefault(patience, "0")  # a command takes the time that it takes
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
