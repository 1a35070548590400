from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lending", "0010_wishes"),
    ]

    operations = [
        migrations.AddField(
            model_name="contact",
            name="mail",
            field=models.EmailField(
                blank=True, help_text="mails go there where the number takes no texts", max_length=254
            ),
        ),
        migrations.AddConstraint(
            model_name="contact",
            constraint=models.CheckConstraint(
                condition=models.Q(("mail", ""), ("own", True), _connector="OR"),
                name="lending_contact_mail_is_the_patrons",
            ),
        ),
    ]
