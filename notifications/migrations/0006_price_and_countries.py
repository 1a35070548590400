import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0005_own_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="sender",
            name="part_price",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="what the carrier takes for one part",
                max_digits=8,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="sender",
            name="currency",
            field=models.CharField(default="USD", help_text="ISO 4217, such as KRW", max_length=3),
        ),
        migrations.AddField(
            model_name="sender",
            name="countries",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=2),
                blank=True,
                default=list,
                help_text="ISO 3166; texts go to numbers of these countries alone, empty: of all",
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="sender",
            constraint=models.CheckConstraint(
                condition=models.Q(("part_price__isnull", True), ("part_price__gte", 0), _connector="OR"),
                name="notifications_sender_pays_or_not",
            ),
        ),
    ]
