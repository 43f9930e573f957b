"""How Sphinx builds the documentation; build.sh beside this runs it."""

import pkgutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from krbxmlrpc._version import __version__  # noqa: E402  # after it can be found

project = "krbxmlrpc"
copyright = "the authors of krbxmlrpc; MIT licence"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "alabaster"
html_theme_options = {"description": "XML-RPC with Kerberos, both ways", "page_width": "70rem"}
html_show_sourcelink = False
# As docstrings have it: `KerberosTransport` is the object of that name.
default_role = "py:obj"
rst_prolog = ".. py:currentmodule:: krbxmlrpc\n"
highlight_language = "default"
python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False


def resolved(app, env, node, contnode):
    """Find the package's names also from its modules; have those of other libraries stand without a link.

    If they are right: without a network there is nothing to link to.
    """
    name = f"krbxmlrpc.{node['reftarget']}"
    ours = env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, node["reftype"], name, node, contnode)
    if ours is not None:
        return ours
    try:
        pkgutil.resolve_name(node["reftarget"])
    except (ImportError, AttributeError, ValueError):
        return None  # then Sphinx warns
    return contnode


def setup(app):
    """Connect the above."""
    app.connect("missing-reference", resolved)
