"""Cars that came before the queue had places of its own keep the order of their arrival."""

from django.db import migrations, models


def by_arrival(apps, _schema):
    visits = apps.get_model("pickup", "Visit")
    visits.objects.filter(queued_at=None).update(queued_at=models.F("arrived_at"))


class Migration(migrations.Migration):
    dependencies = [("pickup", "0002_places_notes_queue")]

    operations = [migrations.RunPython(by_arrival, migrations.RunPython.noop)]
