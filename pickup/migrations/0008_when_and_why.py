"""When people like to come, when within the slot they shall, and why a promise is what it is."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lending", "0008_postings"),
        ("pickup", "0007_outside"),
    ]

    operations = [
        migrations.CreateModel(
            name="Preference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), help_text="Monday is 0", size=None
                    ),
                ),
                ("begins", models.TimeField()),
                ("ends", models.TimeField()),
            ],
        ),
        migrations.AddField(
            model_name="appointment",
            name="arrive_at",
            field=models.DateTimeField(blank=True, help_text="when within the slot the party shall come", null=True),
        ),
        migrations.AddField(
            model_name="appointment",
            name="wished_at",
            field=models.DateTimeField(blank=True, help_text="the moment wished that is nearest to it", null=True),
        ),
        migrations.AddField(
            model_name="appointment",
            name="why",
            field=models.CharField(
                blank=True,
                choices=[
                    ("chosen", "The time that was chosen"),
                    ("wished", "A time you wished"),
                    ("nearest", "The free place nearest to the time you wished"),
                    ("near", "A place near the time you wished; nearer ones are kept for others who need them"),
                    ("soonest", "The soonest free place"),
                ],
                help_text="why it is this slot",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="appointment",
            constraint=models.CheckConstraint(
                condition=models.Q(("why__in", ["", "chosen", "wished", "nearest", "near", "soonest"])),
                name="pickup_appointment_why_known",
            ),
        ),
        migrations.AddField(
            model_name="preference",
            name="patron",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="preference", to="lending.patron"
            ),
        ),
        migrations.AddConstraint(
            model_name="preference",
            constraint=models.CheckConstraint(
                condition=models.Q(("weekdays__contained_by", [0, 1, 2, 3, 4, 5, 6]), ("weekdays__len__gte", 1)),
                name="pickup_preference_weekdays_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="preference",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends__gt", models.F("begins"))), name="pickup_preference_begins_before_it_ends"
            ),
        ),
    ]
