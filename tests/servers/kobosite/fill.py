"""Makes the hub's database, and who is known to it from the start: ``python -m kobosite.fill ADMIN WORKER WORKER_KEY``.

Users who come with a ticket are made known by the hub itself.
"""

import os
import sys

import django
from django.conf import settings

os.environ["DJANGO_SETTINGS_MODULE"] = "kobosite.settings"
os.makedirs(settings.DATA)
django.setup()

from django.contrib.auth import get_user_model  # there are models only now
from django.core.management import call_command
from kobo.hub.models import Arch, Channel, Worker

admin, worker_name, worker_key = sys.argv[1:]
call_command("migrate", verbosity=0)
get_user_model().objects.create_superuser(admin, "", "password of admin")
get_user_model().objects.create_user("guest", "", "password of guest")
worker = Worker.objects.create(name=worker_name, worker_key=worker_key, max_load=1000)
worker.arches.add(Arch.objects.create(name="noarch", pretty_name="noarch"))
worker.channels.add(Channel.objects.create(name="default"))
