"""Where bags stand, notes to the library, and a queue whose cars can be moved."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lending", "0002_needs_and_training"),
        ("pickup", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Note",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.CharField(max_length=300)),
                ("channel", models.CharField(max_length=10)),
                ("written_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("settled_by", models.CharField(blank=True, max_length=40)),
            ],
        ),
        migrations.RemoveIndex(
            model_name="visit",
            name="pickup_visit_queue",
        ),
        migrations.RemoveField(
            model_name="order",
            name="note",
        ),
        migrations.AddField(
            model_name="order",
            name="place",
            field=models.CharField(blank=True, help_text="where the bag stands on the pickup shelf", max_length=12),
        ),
        migrations.AddField(
            model_name="order",
            name="plate",
            field=models.CharField(blank=True, help_text="of the car that comes, if it was told", max_length=20),
        ),
        migrations.AddField(
            model_name="pointrules",
            name="bag_places",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=12),
                blank=True,
                default=list,
                help_text="places of the pickup shelf in their order, such as A1, A2",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="pointrules",
            name="shut_until",
            field=models.DateTimeField(blank=True, help_text="closed by the staff until then", null=True),
        ),
        migrations.AddField(
            model_name="visit",
            name="queued_at",
            field=models.DateTimeField(
                help_text="the place in the queue: the arrival, until somebody moves the car", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(
                condition=models.Q(("state__in", ("waiting", "called"))),
                fields=["point", "queued_at"],
                name="pickup_visit_queue",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "ready"), models.Q(("place", ""), _negated=True)),
                fields=("point", "place"),
                name="pickup_place_holds_one_bag",
            ),
        ),
        migrations.AddField(
            model_name="note",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="notes", to="pickup.order"
            ),
        ),
        migrations.AddIndex(
            model_name="note",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", True)), fields=["written_at"], name="pickup_note_to_read"
            ),
        ),
        migrations.AddConstraint(
            model_name="note",
            constraint=models.CheckConstraint(
                condition=models.Q(("text", ""), _negated=True), name="pickup_note_says_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="note",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("settled_at__isnull", True), ("settled_at__gte", models.F("written_at")), _connector="OR"
                ),
                name="pickup_note_written_before_settled",
            ),
        ),
    ]
