"""Call a hub at regular intervals, as a service that has a keytab.

usage: keytab_service.py [--keytab FILE] [--principal NAME] [--cafile FILE] [--interval SECONDS] URL

With --keytab, the service has tickets of its own and keeps them in memory. This option needs python-gssapi (pip install
gssapi). Without --keytab, the service uses two environment variables, which a unit of systemd can set:
KRB5_CLIENT_KTNAME names the keytab, and KRB5CCNAME names the credential cache for the tickets. In both cases, the first
call gets the tickets. When the tickets expire, the service gets new ones. It needs no kinit and no cron job.

Some failures end without help: a server or a KDC that is away, or a call that failed. The service logs such a failure
and tries again in the next round. Other failures need a person: a key or a certificate that is not accepted. Such a
failure ends the service with exit status 1. SIGTERM (or Ctrl-C) ends the service at the end of the current round, with
exit status 0.
"""

import argparse
import logging
import os
import select
import signal
import sys
from xmlrpc.client import Error, Fault, ServerProxy

from krbxmlrpc import CallOutcomeUnknown, KDCUnreachable, KerberosTransport, ServerUnreachable, UnexpectedStatus

log = logging.getLogger("keytab_service")

IDEMPOTENT = {"whoami"}
"""The methods that may run twice. If the connection breaks, only these methods are repeated."""


def work(hub):
    """Do the work of one round. Put your own code here."""
    log.info("the hub knows this service as %s", hub.whoami())


def try_to_work(hub):
    """Do one round. Log a failure that the next round may not meet."""
    try:
        work(hub)
    except CallOutcomeUnknown as error:
        log.error("a call may have run, or not: %s", error)
    except (Fault, KDCUnreachable, ServerUnreachable) as error:
        log.error("%s: %s", type(error).__name__, error)
    except UnexpectedStatus as error:
        if error.errcode < 500 and error.errcode != 429:
            raise
        log.error("%s", error)


def told_to_stop():
    """Return a pipe that becomes readable when a signal tells the service to stop."""
    reading, writing = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writing, b"."))
    return reading


def main():
    """Do one round in each interval, until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="URL", help="the URL of the hub's XML-RPC")
    parser.add_argument("--keytab", metavar="FILE", help="the service's own keytab; default: KRB5_CLIENT_KTNAME")
    parser.add_argument(
        "--principal", metavar="NAME", help="the principal of the tickets; default: the first one in the keytab"
    )
    parser.add_argument("--cafile", metavar="FILE", help="the CA's certificate, if this machine does not know the CA")
    parser.add_argument(
        "--interval", metavar="SECONDS", type=float, default=60.0, help="the time between two rounds (60)"
    )
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    transport = KerberosTransport(
        keytab=options.keytab,
        principal=options.principal,
        cafile=options.cafile,
        retries=2,
        idempotent=IDEMPOTENT,
    )
    stop, pause = told_to_stop(), 0.0
    with ServerProxy(options.url, transport=transport, allow_none=True) as hub:
        while not select.select([stop], [], [], pause)[0]:
            try_to_work(hub)
            pause = options.interval
    log.info("stopped")


if __name__ == "__main__":
    try:
        main()
    except (Error, ImportError, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
