"""Rehearsals in training libraries, and the cars that come to them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lending", "0004_token_scopes"),
        ("pickup", "0004_queue_for_everyone"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rehearsal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("state", models.CharField(max_length=20)),
                ("moved_at", models.DateTimeField()),
                ("minutes", models.PositiveSmallIntegerField(help_text="in which all cars come")),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("begun_by", models.CharField(max_length=40)),
                (
                    "library",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rehearsals", to="lending.library"
                    ),
                ),
                (
                    "point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rehearsals", to="lending.pickuppoint"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RehearsalCar",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("state", models.CharField(max_length=20)),
                ("moved_at", models.DateTimeField()),
                ("number", models.PositiveSmallIntegerField(help_text="the how-manieth car it is")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("early", "Early: the bag is still being packed"),
                            ("plain", "As expected, tells us by text"),
                            ("family", "A family, three bags in one car"),
                            ("grandson", "The grandson of a reader with a landline"),
                            ("missing", "One book was not on its shelf"),
                            ("return", "Only brings books back"),
                            ("writing", "A Deaf driver: everything in writing"),
                            ("english", "Reads English"),
                            ("elsewhere", "At the wrong place: the bag waits elsewhere"),
                            ("boot", "The bag goes into the boot"),
                            ("plate", "The camera reads the plate"),
                            ("card", "No number at hand, only the card"),
                        ],
                        max_length=10,
                    ),
                ),
                ("due_at", models.DateTimeField(help_text="then it comes")),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        help_text="what it comes for",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="pickup.order",
                    ),
                ),
                (
                    "patron",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="lending.patron"
                    ),
                ),
                (
                    "rehearsal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="cars", to="pickup.rehearsal"
                    ),
                ),
                (
                    "visit",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rehearsal_car",
                        to="pickup.visit",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="rehearsal",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["ended", "running"])), name="pickup_rehearsal_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")), fields=("library",), name="pickup_one_rehearsal_at_a_time"
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("state", "running"), _negated=True), ("ended_at__isnull", True), _connector="OR"
                    ),
                    models.Q(
                        models.Q(("state", "ended"), _negated=True),
                        models.Q(("ended_at__gte", models.F("started_at")), ("ended_at__isnull", False)),
                        _connector="OR",
                    ),
                ),
                name="pickup_ended_rehearsal_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsal",
            constraint=models.CheckConstraint(
                condition=models.Q(("minutes__gte", 1)), name="pickup_rehearsal_takes_a_while"
            ),
        ),
        migrations.AddIndex(
            model_name="rehearsalcar",
            index=models.Index(
                condition=models.Q(("state", "due")), fields=["due_at"], name="pickup_rehearsal_car_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsalcar",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["came", "dropped", "due"])), name="pickup_rehearsal_car_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsalcar",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "early",
                            "plain",
                            "family",
                            "grandson",
                            "missing",
                            "return",
                            "writing",
                            "english",
                            "elsewhere",
                            "boot",
                            "plate",
                            "card",
                        ],
                    )
                ),
                name="pickup_rehearsal_car_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsalcar",
            constraint=models.UniqueConstraint(
                fields=("rehearsal", "number"), name="pickup_rehearsal_car_numbered_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsalcar",
            constraint=models.CheckConstraint(
                condition=models.Q(("order__isnull", False), ("kind", "return"), _connector="OR"),
                name="pickup_rehearsal_car_has_a_bag",
            ),
        ),
        migrations.AddConstraint(
            model_name="rehearsalcar",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "due"), ("visit__isnull", True)),
                    models.Q(("state", "came"), ("visit__isnull", False)),
                    ("state", "dropped"),
                    _connector="OR",
                ),
                name="pickup_rehearsal_car_that_came_is_here",
            ),
        ),
    ]
