"""Who was not told by a text in time is called while there is still something to tell."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.AddField(
            "message",
            "call_until",
            models.DateTimeField(blank=True, help_text="until then staff call if it did not leave", null=True),
        ),
    ]
