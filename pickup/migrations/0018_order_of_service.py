from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [
        ("pickup", "0017_laws_said_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="pointrules",
            name="auto_call",
            field=models.BooleanField(
                default=False, help_text="in a single file the service calls the next car to a free lane by itself"
            ),
        ),
        migrations.AddField(
            model_name="visit",
            name="passed_at",
            field=models.DateTimeField(
                blank=True, help_text="passed over or put back: called and not there", null=True
            ),
        ),
        migrations.AddField(
            model_name="visit",
            name="recalled_at",
            field=models.DateTimeField(blank=True, help_text="called once more", null=True),
        ),
        migrations.AddField(
            model_name="visit",
            name="recalls",
            field=models.PositiveSmallIntegerField(default=0, help_text="how often it was called once more"),
        ),
        migrations.AddField(
            model_name="window",
            name="by_arrival",
            field=models.BooleanField(
                default=False,
                help_text="who has a time in it is served in the order of arrival, whatever that time is",
            ),
        ),
        migrations.AlterField(
            model_name="visit",
            name="queued_at",
            field=models.DateTimeField(help_text="the turn: the moment by which the car stands in the line"),
        ),
        migrations.AddConstraint(
            model_name="visit",
            constraint=models.CheckConstraint(
                condition=Q(recalls=0, recalled_at__isnull=True)
                | Q(recalls__gte=1, called_at__isnull=False, recalled_at__gte=F("called_at")),
                name="pickup_called_before_recalled",
            ),
        ),
    ]
