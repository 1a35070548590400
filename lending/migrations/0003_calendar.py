"""Days of a month, public holidays, and single days that are open or closed."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

import lending.public_holidays


class Migration(migrations.Migration):
    dependencies = [("lending", "0002_needs_and_training")]

    operations = [
        migrations.RemoveConstraint("closedday", "lending_day_closed_once"),
        migrations.RenameModel("ClosedDay", "SpecialDay"),
        migrations.AlterField(
            "specialday",
            "library",
            models.ForeignKey(on_delete=models.deletion.CASCADE, related_name="special_days", to="lending.library"),
        ),
        migrations.AlterModelOptions("specialday", {"ordering": ["day"]}),
        migrations.AddField("specialday", "open", models.BooleanField(default=False)),
        migrations.AddConstraint(
            "specialday", models.UniqueConstraint(fields=["library", "day"], name="lending_special_day_once")
        ),
        migrations.AddField(
            "library",
            "nth_closed",
            ArrayField(
                base_field=models.CharField(max_length=3),
                blank=True,
                default=list,
                help_text="the how-manyeth weekday of a month, such as 1-1 and 3-1 for its first and third Tuesday",
                size=None,
            ),
        ),
        migrations.AddField(
            "library",
            "holidays",
            models.CharField(
                blank=True,
                help_text="closed on the public holidays of this country or part of it, such as KR or US-NY",
                max_length=10,
                validators=[lending.public_holidays.known],
            ),
        ),
        migrations.AddConstraint(
            "library",
            models.CheckConstraint(
                condition=models.Q(
                    nth_closed__contained_by=[f"{nth}-{day}" for nth in range(1, 6) for day in range(7)]
                ),
                name="lending_library_nth_weekdays_known",
            ),
        ),
    ]
