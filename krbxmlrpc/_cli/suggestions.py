"""Suggests an option for a word that is none: the names that other programs use, and misspelt names.

This module knows only names of options.
"""

from __future__ import annotations

import argparse
import re

_CERTIFICATES = "--cafile FILE to trust a CA, or --insecure-any-certificate to accept any server"
_PRINCIPAL = "--principal NAME: Kerberos takes the password once, by kinit NAME"

# The names that curl, wget, kinit, requests and others use.
_OF_OTHERS: dict[str, tuple[str, ...]] = {
    _CERTIFICATES: ("-k", "--insecure", "--no-check-certificate", "--no-verify", "--no-verify-ssl", "--verify"),
    "--cafile": ("--ca", "--cacert", "--ca-cert", "--ca-file", "--ca-bundle", "--ca-certificate", "--cert"),
    "--verbose": ("-v", "-d", "--debug", "--trace"),
    _PRINCIPAL: ("-u", "-p", "--user", "--username", "--pass", "--password"),
    "--header": ("-H", "--headers"),
    "--cookiejar": ("-b", "-c", "--cookie", "--cookies", "--cookie-jar", "--cookie-file"),
    "--proxy": ("-x", "--https-proxy"),
    "--deadline": ("-m", "--max-time"),
    "--retries": ("--retry",),
    "--service": ("--spn", "--service-name"),
    "--ccache": ("--cache", "--ccname", "--krb5ccname"),
    "--delegate": ("--delegation",),
    "--login-path": ("--login", "--login-url"),
    "--list": ("-l", "--methods"),
    "--params": ("--args", "--arguments", "--data", "--json-params"),
    "--version": ("-V",),
    "--help": ("-?",),
}
_NAME = re.compile(r"--[\w-]*|-.?", re.ASCII | re.DOTALL)
_MEANT = {name: meant for meant, names in _OF_OTHERS.items() for name in names}


def shown(unknown: list[str]) -> list[str]:
    """Return the words to show in the error. If there are options, show only their names: a value can be a secret."""
    return [found[0] for found in map(_NAME.match, unknown) if found] or unknown


def suggestion(unknown: list[str], parser: argparse.ArgumentParser) -> str:
    """Return advice about words that a parser does not know, to put after the error; "" if there is none."""
    import difflib

    known = [flag for action in parser._actions for flag in action.option_strings]
    names = [word for word in unknown if word.startswith("-")]
    advice = []
    for name in names:
        if name in known:
            advice.append(f"; put {name} after the command")
            continue
        meant = _MEANT.get(name, "")
        if meant.split(" ")[0].rstrip(":") not in known:
            longer = [flag for flag in known if len(name) > 3 and flag.startswith(name)]
            close = difflib.get_close_matches(name.replace("_", "-").lower(), known, 1, 0.7)
            meant = "".join((longer or close)[:1])
        advice.append(f"; instead of {name}, did you mean {meant}?" if meant else "")
    takes_arguments = any(action.dest == "arguments" for action in parser._actions)
    return "".join(advice) + "; put -- before an argument that starts with -" * (takes_arguments and "" in advice)
