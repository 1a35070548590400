"""Every visit has its place in the queue."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pickup", "0003_queue_by_arrival")]

    operations = [
        migrations.AlterField(
            "visit",
            "queued_at",
            models.DateTimeField(help_text="the place in the queue: the arrival, until somebody moves the car"),
        ),
    ]
