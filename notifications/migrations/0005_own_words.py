from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0004_mail"),
    ]

    operations = [
        migrations.CreateModel(
            name="OwnWords",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=40)),
                ("language", models.CharField(choices=[("ko", "Korean"), ("en", "English")], max_length=2)),
                ("body", models.CharField(max_length=500)),
                ("at", models.DateTimeField()),
                ("principal", models.CharField(max_length=40)),
                (
                    "sender",
                    models.ForeignKey(on_delete=models.PROTECT, related_name="words", to="notifications.sender"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("sender", "key", "language"), name="notifications_own_words_once"),
                    models.CheckConstraint(
                        condition=models.Q(("language__in", ["ko", "en"])), name="notifications_own_words_language"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("body", ""), _negated=True), name="notifications_own_words_say_something"
                    ),
                ],
            },
        ),
    ]
