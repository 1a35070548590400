from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pickup", "0016_why_it_moved"),
    ]

    operations = [
        migrations.AlterField(
            model_name="slot",
            name="accessible",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="slot",
            name="booked",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="slot",
            name="booked_accessible",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="slot",
            name="capacity",
            field=models.SmallIntegerField(),
        ),
    ]
