"""Journals are never changed; who looked at whose record is kept until its time is over."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION core_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME;
END $$;
CREATE TRIGGER core_journal_append_only BEFORE UPDATE OR DELETE ON core_journal
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER core_access_unchanged BEFORE UPDATE ON core_access
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER core_access_kept BEFORE DELETE ON core_access
    FOR EACH ROW WHEN (OLD.keep_until > clock_timestamp()) EXECUTE FUNCTION core_refuse_change();
"""
BACK = """
DROP TRIGGER core_access_kept ON core_access;
DROP TRIGGER core_access_unchanged ON core_access;
DROP TRIGGER core_journal_append_only ON core_journal;
DROP FUNCTION core_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACK)]
