"""Django's PostgreSQL backend on our connections (`ENGINE`)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
from django.db.backends.postgresql import base

from core.driver.values import Many, Moment
from core.driver.wire import Wire


class DatabaseWrapper(base.DatabaseWrapper):
    Database = SimpleNamespace(**{**vars(psycopg), "connect": Wire.connect})  # type: ignore[assignment]  # a module to the stubs

    @property
    def pool(self) -> Any:
        """Django's pool, of our connections."""
        if options := self.settings_dict["OPTIONS"].get("pool"):
            options.setdefault("connection_class", Wire)
        return super().pool

    def get_new_connection(self, conn_params: Any) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.adapters.register_loader("timestamptz", Moment)
        connection.adapters.register_dumper(list, Many)
        return connection

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]  # not in the stubs
        except BaseException:
            self.run_on_commit = []  # Django forgets them for the database's errors alone
            if self.connection is not None and self.connection.closed:
                self.close()  # or the error would be hidden by that of the next thing that is asked of it
            raise

    def _savepoint_rollback(self, sid: str) -> None:
        self.connection.forget()  # all of it was said after the savepoint
        super()._savepoint_rollback(sid)  # type: ignore[misc]  # not in the stubs

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.forget()
        super()._close()  # type: ignore[misc]  # not in the stubs
