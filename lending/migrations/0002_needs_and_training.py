"""Needs become words that the pages can say in both languages; libraries for rehearsals are marked."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lending", "0001_initial")]

    operations = [
        migrations.AddField(
            "library",
            "training",
            models.BooleanField(default=False, help_text="for rehearsals: invented people, left out of statistics"),
        ),
        migrations.RenameField("patron", "needs", "needs_note"),
        migrations.AlterField(
            "patron",
            "needs_note",
            models.CharField(blank=True, help_text="what to do, in words of the library", max_length=200),
        ),
        migrations.AddField(
            "patron",
            "needs",
            ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("window", "At the passenger's window"),
                        ("boot", "Into the boot"),
                        ("board", "In writing, on the show card"),
                        ("time", "With more time"),
                        ("carry", "Carried to the car"),
                    ],
                    max_length=10,
                ),
                blank=True,
                default=list,
                help_text="what to do, never why",
                size=None,
            ),
        ),
        migrations.AddConstraint(
            "patron",
            models.CheckConstraint(
                condition=models.Q(needs__contained_by=["window", "boot", "board", "time", "carry"]),
                name="lending_need_known",
            ),
        ),
    ]
