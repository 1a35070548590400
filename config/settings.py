"""Settings come from the environment; a wrong value stops the start and names itself.

`.env.example` explains every variable. Where the environment is silent, `var/run.env` (written by `make run`) is
read, so that `manage.py` works beside the running service.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import environment, logs

BASE_DIR = Path(__file__).resolve().parent.parent
environment.read_file(BASE_DIR / "var" / "run.env")

DEBUG = environment.switch("DEBUG")
SECRET_KEY = environment.secret("SECRET_KEY")
LINK_KEY = environment.secret("LINK_KEY")
PUBLIC_BASE_URL = environment.address("PUBLIC_BASE_URL")
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", default=[urlsplit(PUBLIC_BASE_URL).hostname or ""])
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]
SANDBOX = environment.switch("SANDBOX")
HTTPS = PUBLIC_BASE_URL.startswith("https://")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "core",
    "notifications",
    "lending",
    "pickup",
    "config",
    *(["notifications.sandbox"] if SANDBOX else []),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.ContentSecurity",
    "config.middleware.StaticFiles",
    "config.middleware.Session",
    "config.middleware.Language",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.SignedIn",
    "config.middleware.Acting",
    "config.middleware.Messages",
    "config.middleware.Htmx",
    "config.refusals.RefusalMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    }
]

DATABASE = environment.database("DATABASE_URL")
# How long a statement, a wait for a lock and an idle transaction may last, in milliseconds; 0: as long as it takes.
# The defaults are the web's; config/celery.py gives workers, and manage.py gives commands, more.
TIMEOUTS = {
    "statement_timeout": environment.number("STATEMENT_TIMEOUT_MS", default=5000, least=0, most=3_600_000),
    "lock_timeout": environment.number("LOCK_TIMEOUT_MS", default=3000, least=0, most=3_600_000),
    "idle_in_transaction_session_timeout": environment.number(
        "IDLE_IN_TRANSACTION_MS", default=10_000, least=0, most=3_600_000
    ),
}
# One pool a process of at most four connections: a hot slot row is fastest with two to four writers. Without a pool (0)
# each thread keeps its own, which is cheaper where threads are as few: see deploy/systemd/lending-web.service.
POOL_SIZE = environment.number("DATABASE_POOL", default=4, least=0, most=50)
DATABASES = {
    "default": {
        **DATABASE,
        "ENGINE": "core.driver",
        "CONN_MAX_AGE": 0 if POOL_SIZE else None,
        "OPTIONS": {
            **DATABASE.get("OPTIONS", {}),
            **({"pool": {"min_size": 0, "max_size": POOL_SIZE, "timeout": 10}} if POOL_SIZE else {}),
            "options": " ".join(f"-c {name}={value}" for name, value in TIMEOUTS.items()),
        },
    }
}
REDIS_URL = environment.redis("REDIS_URL")
LIVE_PREFIX = environment.matching("LIVE_PREFIX", r"[a-z0-9-]{1,40}", "lending or lending-2", default="lending")

AUTH_USER_MODEL = "lending.Account"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "/"

FORMAT_MODULE_PATH = "config.formats"
LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", "한국어"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = SANDBOX

TABLET_LOCK_MINUTES = environment.number("TABLET_LOCK_MINUTES", default=10, least=1, most=240)
STAFF_SECOND_FACTOR = environment.switch("STAFF_SECOND_FACTOR")
RETENTION_DAYS = environment.number("RETENTION_DAYS", default=28, least=1, most=3650)
PROCESSORS = environment.words("PROCESSORS", default=[])

CSRF_FAILURE_VIEW = "config.refusals.csrf_failed"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DAY_LISTS = BASE_DIR / "config" / "day_lists"  # column maps for lists of other systems
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
TABLET_COOKIE_NAME = "__Host-tablet" if HTTPS else "tablet"
DEVICE_COOKIE_NAME = "__Host-device" if HTTPS else "device"
COLLECTOR_COOKIE_NAME = "__Host-collector" if HTTPS else "collector"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["lending.auth.TokenAuthentication", "lending.auth.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.strict_json.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.negotiation.MostlyJSON",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.refusals.handle",
    "NUM_PROXIES": environment.number("PROXIES", default=0, least=0, most=10),
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNICODE_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Drive-through lending",
    "DESCRIPTION": "Reserve books, be told when they are ready, collect them at the window.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "ReservationState": "lending.states.ReservationState.choices",
        "LoanState": "lending.states.LoanState.choices",
        "CopyState": "lending.states.CopyState.choices",
        "OrderState": "pickup.states.OrderState.choices",
        "LineState": "pickup.states.LineState.choices",
        "AppointmentState": "pickup.states.AppointmentState.choices",
        "VisitState": "pickup.states.VisitState.choices",
        "ByDoor": "lending.models.people.ByDoor.choices",
    },
}

TRANSPORTS = {
    "text": environment.matching(
        "TEXT_TRANSPORT",
        r"[a-z_0-9]+(\.[a-z_0-9]+)*\.[A-Z]\w*",
        "notifications.transports.console.Console",
        default="notifications.transports.twilio.Twilio",
    ),
    "mail": "notifications.transports.email.Email" if environment.text("MAIL_URL") else "",
}
TWILIO_ACCOUNT_SID = environment.matching("TWILIO_ACCOUNT_SID", r"AC\w{1,62}", "AC and 32 hexadecimal digits")
TWILIO_AUTH_TOKEN = environment.text("TWILIO_AUTH_TOKEN")
TWILIO_AUTH_TOKEN_OLD = environment.text("TWILIO_AUTH_TOKEN_OLD")
TWILIO_API_KEY = environment.matching("TWILIO_API_KEY", r"SK\w{1,62}", "SK and 32 hexadecimal digits")
TWILIO_API_SECRET = environment.text("TWILIO_API_SECRET")
TWILIO_API_BASE_URL = environment.address("TWILIO_API_BASE_URL", optional=True)
globals().update(environment.mail("MAIL_URL"))  # EMAIL_BACKEND, EMAIL_HOST and the others, as Django names them
DEFAULT_FROM_EMAIL = environment.needed("MAIL_FROM") if TRANSPORTS["mail"] else ""
# A worker owns a claimed text for the lease; who still has it then may be dead, and the text is in doubt. A text in
# doubt is looked up at the carrier after a pause, in which a callback may come and the carrier's list may catch up.
MESSAGE_LEASE_SECONDS = environment.number("MESSAGE_LEASE_SECONDS", default=20, least=2, most=600)
MESSAGE_HTTP_SECONDS = EMAIL_TIMEOUT = environment.number("MESSAGE_HTTP_SECONDS", default=10, least=1, most=60)
MESSAGE_DOUBT_SECONDS = environment.number("MESSAGE_DOUBT_SECONDS", default=15, least=1, most=600)
MESSAGE_THREADS = environment.number("MESSAGE_THREADS", default=16, least=1, most=100)  # at once, a process
if MESSAGE_LEASE_SECONDS < 2 * MESSAGE_HTTP_SECONDS:
    raise ImproperlyConfigured("MESSAGE_LEASE_SECONDS must be at least twice MESSAGE_HTTP_SECONDS")
CALLS_SECRET = environment.text("CALLS_SECRET")
RELAY_NUMBERS = environment.words("RELAY_NUMBERS", default=["02107", "107"])

# Upward and now: what a reply or a call means, and which address stands for {link}, is pickup's knowledge.
INBOUND_ANSWER = "pickup.replies.answer"
CALL_ANSWER = "pickup.voice.answer"
LINK_OF = "pickup.links.for_about"

LOGGING_CONFIG = None
logs.configure(debug=DEBUG)
