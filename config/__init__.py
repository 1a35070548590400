"""The frame: settings, addresses, the timetable, and commands that touch several rooms.

The Celery app is `config.celery.app`; `FrameConfig.ready` loads it, so that this package can be imported (by the
one-command run and by the tests' servers) before any setting is known.
"""
