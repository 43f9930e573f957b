"""What is where; kobo's views stand where its client looks for them.

``token`` stands in for what gives out tokens of OpenID Connect.
"""

from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from kobo.django.xmlrpc.views import client_handler, worker_handler

urlpatterns = [
    path("", csrf_exempt(lambda request: HttpResponse()), name="home/index"),
    path("token", csrf_exempt(lambda request: JsonResponse({"access_token": "of-the-robot"}))),
    path("auth/", include("kobo.hub.urls.auth")),
    path("xmlrpc/client/", client_handler),
    path("xmlrpc/worker/", worker_handler),
    path("xmlrpc/upload/", include("kobo.django.upload.urls")),
]
