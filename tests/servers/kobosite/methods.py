"""Methods of this hub's own. kobo's `log_call` logs nothing on Python 3.11 and later, so they write its log."""

from django.core.exceptions import PermissionDenied
from kobo.django.xmlrpc.decorators import login_required
from kobo.django.xmlrpc.models import XmlRpcLog

__all__ = ("whoami", "write", "refuse")


@login_required
def whoami(request):
    """Return the name of the user."""
    return request.user.username


@login_required
def write(request, text):
    """Write a note into the hub's log of calls, once for each time that this runs."""
    XmlRpcLog.objects.create(user=request.user, method="write", args=text)
    return text


@login_required
def refuse(request, text):
    """Write a note, and fail for lack of permission."""
    write(request, text)
    raise PermissionDenied("Not for you.")
