"""Serve a hub from now on, as a service that has a keytab.

usage: keytab_service.py [--keytab FILE] [--principal NAME] [--cafile FILE] [--interval SECONDS] URL

With --keytab (which needs python-gssapi: pip install gssapi) its tickets are its own, and are kept in
memory. Without, KRB5_CLIENT_KTNAME names the keytab, and KRB5CCNAME the cache that its tickets go to: the environment
of a unit of systemd, for example. Either way the first call gets tickets, and new ones are got when they run out, for
as long as the service lives: no kinit, no cron.

What goes by itself, a server or KDC that is away or a call that failed, is logged, and the next round tries again. What
needs somebody, a key or a certificate that is not taken, ends the service with exit status 1. SIGTERM (or Ctrl-C) ends
it when the round is through, with exit status 0.
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
"""The methods that may run twice: they are repeated where the connection breaks. No other is."""


def work(hub):
    """Do what there is to be done in one round. This is where yours goes."""
    log.info("the hub takes this service for %s", hub.whoami())


def try_to_work(hub):
    """Do one round; log what the next one may be spared."""
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
    """Return what can be waited for: a pipe that becomes readable when the service is to stop."""
    reading, writing = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writing, b"."))
    return reading


def main():
    """Work, a round each interval, until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="URL", help="of the hub's XML-RPC")
    parser.add_argument("--keytab", metavar="FILE", help="of this service alone, whatever the environment says")
    parser.add_argument("--principal", metavar="NAME", help="whose tickets; default: the keytab's first")
    parser.add_argument("--cafile", metavar="FILE", help="the CA's certificate, where this machine does not know it")
    parser.add_argument("--interval", metavar="SECONDS", type=float, default=60.0, help="between two rounds (60)")
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
