"""A program with the structure of OpenScanHub's ``osh-cli``: a container, a configuration file, and its ``except``.

usage: osh_cli.py COMMAND [OPTIONS], with the path of the configuration file in OSH_CLIENT_CONFIG_FILE
"""

import os
import socket
import sys
from http.client import HTTPException
from xmlrpc.client import ProtocolError

import kobo.cli
import kobo.client.commands
import kobo.conf
import kobo.exceptions

import krbxmlrpc.kobo


class OshCommandContainer(krbxmlrpc.kobo.ClientCommandContainer):
    """The one line that changes."""


def main():
    OshCommandContainer.register_module(kobo.client.commands, prefix="cmd_")
    conf = kobo.conf.PyConfigParser()
    conf.load_from_file(os.environ["OSH_CLIENT_CONFIG_FILE"])
    container = OshCommandContainer(conf)
    options = {"add_username_password_options": True, "add_hub_option": True}
    parser = kobo.cli.CommandOptionParser(command_container=container, **options)
    try:
        parser.run()
    except kobo.exceptions.ImproperlyConfigured as error:
        print(f"Error: Improperly configured: {error}", file=sys.stderr)
        sys.exit(3)
    except (HTTPException, ProtocolError, socket.herror, socket.gaierror, socket.timeout) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
