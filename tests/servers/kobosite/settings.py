"""The hub's settings: kobo's own applications, and all data in the folder above the code."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "data")

SECRET_KEY = "of a hub that lives for one run of the tests"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "kobosite.urls"
USE_TZ = False
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(DATA, "hub.sqlite"),
        "OPTIONS": {"timeout": 30},
    }
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "kobo.django.auth.apps.AuthConfig",
    "kobo.django.upload",
    "kobo.django.xmlrpc",
    "kobo.hub",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "kobo.django.auth.middleware.LimitedRemoteUserMiddleware",
    "kobo.hub.middleware.WorkerMiddleware",
]
AUTH_USER_MODEL = "kobo_auth.User"
AUTHENTICATION_BACKENDS = [
    "kobo.django.auth.krb5.Krb5RemoteUserBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_REDIRECT_URL = "home/index"

XMLRPC_METHODS = {
    "client": [
        ("kobo.hub.xmlrpc.auth", "auth"),
        ("kobo.hub.xmlrpc.client", "client"),
        ("kobo.django.upload.xmlrpc", "upload"),
        ("kobosite.methods", "notes"),
    ],
    "worker": [
        ("kobo.hub.xmlrpc.auth", "auth"),
        ("kobo.hub.xmlrpc.worker", "worker"),
        ("kobo.django.upload.xmlrpc", "upload"),
    ],
}
UPLOAD_DIR = os.path.join(DATA, "uploads")
TASK_DIR = os.path.join(DATA, "tasks")
WORKER_DIR = os.path.join(DATA, "workers")
