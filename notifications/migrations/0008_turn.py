from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0007_per_person"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="message",
            name="notifications_message_queue",
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.Case(
                    models.When(kind__in=("answer", "code"), then=0),
                    default=1,
                    output_field=models.SmallIntegerField(),
                ),
                models.F("not_before"),
                models.F("id"),
                condition=models.Q(("state", "queued")),
                name="notifications_message_turn",
            ),
        ),
    ]
