"""A device may do what its scopes say and no more; the devices that stand already may say who is here."""

from django.db import migrations, models


def say_who_is_here(apps, _schema):
    apps.get_model("lending", "Token").objects.filter(account=None, scopes=[]).update(scopes=["arrive"])


class Migration(migrations.Migration):
    dependencies = [("lending", "0003_calendar")]

    operations = [
        migrations.RunPython(say_who_is_here, migrations.RunPython.noop),
        migrations.AddConstraint(
            "token",
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=["arrive", "lane", "desk"]), name="lending_token_scope_known"
            ),
        ),
    ]
