"""How Sphinx builds the documentation; build.sh beside this runs it."""

import pkgutil
import re
import sys
from pathlib import Path

from docutils import nodes

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from krbxmlrpc._version import __version__  # after it can be found

project = "krbxmlrpc"
copyright = "the authors of krbxmlrpc; MIT licence"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "alabaster"
html_theme_options = {
    "description": "XML-RPC with Kerberos, both ways",
    "page_width": "70rem",
    "body_max_width": "auto",  # code is wide
    "code_font_size": "0.8em",
}
html_show_sourcelink = False
# As docstrings have it: `KerberosTransport` is the object of that name.
default_role = "py:obj"
rst_prolog = ".. py:currentmodule:: krbxmlrpc\n"
highlight_language = "default"
python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
if sys.version_info < (3, 10):
    # Python 3.9 cannot evaluate the newer annotations, and their names would lead nowhere.
    autodoc_typehints = "none"
    napoleon_attr_annotations = False
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


def linked(app, doctree, docname):
    """Make the names of files that are pages here links to them: the documents are also read as they are."""
    for literal in list(doctree.findall(nodes.literal)):
        named = re.fullmatch(r"(?:examples/docs/)?(\w+)\.rst", literal.astext())
        if named and named[1].lower() in app.env.found_docs:
            uri = app.builder.get_relative_uri(docname, named[1].lower())
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), refuri=uri, internal=True))


def setup(app):
    """Connect the above."""
    app.connect("missing-reference", resolved)
    app.connect("doctree-resolved", linked)
