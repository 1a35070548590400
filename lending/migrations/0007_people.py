"""People: guesses, one-time codes, remembered devices, consents, which are never changed."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE TRIGGER lending_consent_unchanged BEFORE UPDATE ON lending_consent
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
"""
BACK = "DROP TRIGGER lending_consent_unchanged ON lending_consent;"


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_append_only"),
        ("lending", "0006_transfers"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="staff_pin",
            field=models.CharField(blank=True, help_text="hash of the PIN for shared tablets", max_length=128),
        ),
        migrations.AddField(
            model_name="contact",
            name="kept",
            field=models.BooleanField(default=False, help_text="somebody who collects, also the next time"),
        ),
        migrations.AddField(
            model_name="patron",
            name="child_until",
            field=models.DateField(
                blank=True, help_text="the day of turning 14; until then a guardian agrees", null=True
            ),
        ),
        migrations.AddField(
            model_name="patron",
            name="keeps_history",
            field=models.BooleanField(default=False, help_text="returned books stay in the patron's own list"),
        ),
        migrations.CreateModel(
            name="Guess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(help_text="a digest: it names nobody", max_length=64, unique=True)),
                ("failures", models.PositiveIntegerField(default=1)),
                ("last_at", models.DateTimeField()),
                ("wait_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["last_at"], name="lending_guess_age")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("wait_until__isnull", True), ("wait_until__gt", models.F("last_at")), _connector="OR"
                        ),
                        name="lending_wait_follows_guess",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AccessReview",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(help_text="its first day")),
                ("by", models.CharField(max_length=40)),
                ("at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=300)),
                (
                    "library",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="access_reviews", to="lending.library"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("library", "month"), name="lending_month_reviewed_once"),
                    models.CheckConstraint(
                        condition=models.Q(("month__day", 1)), name="lending_review_of_a_whole_month"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("privacy", "Name, card and number are kept to lend books"),
                            ("abroad", "Texts go through a carrier abroad"),
                            ("needs", "What to do at the car is kept"),
                            ("together", "The household is served in one car"),
                            ("history", "Returned books stay in my list"),
                        ],
                        max_length=10,
                    ),
                ),
                ("version", models.CharField(help_text="of the wording: the month it was written in", max_length=10)),
                ("given", models.BooleanField(help_text="or withdrawn")),
                ("at", models.DateTimeField()),
                ("by", models.CharField(help_text="who entered it: patron, or staff:3", max_length=40)),
                ("channel", models.CharField(max_length=10)),
                ("guardian", models.CharField(blank=True, help_text="who agreed for a child under 14", max_length=80)),
                (
                    "patron",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="consents", to="lending.patron"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["patron", "what", "-id"], name="lending_consent_standing")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("what__in", ["privacy", "abroad", "needs", "together", "history"])),
                        name="lending_consent_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("version", ""), _negated=True), name="lending_consent_names_its_version"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OneTimeCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "purpose",
                    models.CharField(
                        choices=[("sign_in", "to sign in"), ("number", "to confirm a number")],
                        default="sign_in",
                        max_length=10,
                    ),
                ),
                ("key", models.CharField(help_text="digest of the card it was asked for", max_length=64)),
                ("number", models.CharField(blank=True, help_text="the number that is to be confirmed", max_length=16)),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("asked_at", models.DateTimeField()),
                ("made_at", models.DateTimeField(blank=True, null=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "patron",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="lending.patron",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["key", "-id"], name="lending_code_of_card"),
                    models.Index(
                        condition=models.Q(("made_at__isnull", True)), fields=["id"], name="lending_code_to_make"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("number", ""), ("purpose", "sign_in")),
                            models.Q(("number__regex", "^\\+[1-9][0-9]{6,14}$"), ("purpose", "number")),
                            _connector="OR",
                        ),
                        name="lending_code_for_a_number_names_it",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tries__lte", 5)), name="lending_code_tried_five_times_at_most"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("used_at__isnull", True), models.Q(("digest", ""), _negated=True), _connector="OR"
                        ),
                        name="lending_used_code_was_made",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("asked_at"))), name="lending_code_lives_a_while"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account", "digest"), name="lending_recovery_code_given_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RememberedDevice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(help_text="as it calls itself: Chrome, Android", max_length=60)),
                ("made_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="devices", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("made_at"))), name="lending_device_lives_a_while"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("secret", models.CharField(help_text="hexadecimal", max_length=40)),
                ("made_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_step",
                    models.BigIntegerField(default=0, help_text="the last step of half a minute whose code was used"),
                ),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="second_factor",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("secret__regex", "^[0-9a-f]{40}$")), name="lending_second_factor_secret"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("confirmed_at__isnull", True), ("confirmed_at__gte", models.F("made_at")), _connector="OR"
                        ),
                        name="lending_second_factor_made_before_confirmed",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Tablet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=60)),
                ("made_at", models.DateTimeField()),
                ("made_by", models.CharField(max_length=40)),
                ("expires_at", models.DateTimeField()),
                (
                    "library",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tablets", to="lending.library"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("made_at"))), name="lending_tablet_lives_a_while"
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACK),
    ]
