import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
    ALTER TABLE pickup_slot ADD CONSTRAINT pickup_slot_at_point UNIQUE (id, point_id);
    ALTER TABLE pickup_appointment ADD CONSTRAINT pickup_appointment_at_its_slot
        FOREIGN KEY (slot_id, point_id) REFERENCES pickup_slot (id, point_id) DEFERRABLE INITIALLY DEFERRED;
"""
BACK = """
    ALTER TABLE pickup_appointment DROP CONSTRAINT pickup_appointment_at_its_slot;
    ALTER TABLE pickup_slot DROP CONSTRAINT pickup_slot_at_point;
"""


class Migration(migrations.Migration):
    """One law in place of two: a promise names a slot, and is at that slot's point."""

    dependencies = [
        ("lending", "0017_told_by"),
        ("pickup", "0020_preferred_point"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACK),
        migrations.RemoveIndex(model_name="appointment", name="pickup_appointment_in_slot"),
        migrations.AlterField(
            model_name="appointment",
            name="point",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="appointments",
                to="lending.pickuppoint",
            ),
        ),
        migrations.AlterField(
            model_name="appointment",
            name="slot",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="appointments",
                to="pickup.slot",
            ),
        ),
    ]
