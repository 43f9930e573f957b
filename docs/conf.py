"""How Sphinx builds the documentation; build.sh beside this runs it."""

import importlib.util
import pkgutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from krbxmlrpc._version import __version__  # after it can be found

project = "krbxmlrpc"
copyright = "the krbxmlrpc developers; MIT licence"
version = release = __version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosectionlabel",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
autosectionlabel_prefix_document = True
suppress_warnings = ["autosectionlabel.*"]  # two sections of one page may have the same title
html_theme = "furo"
html_title = f"krbxmlrpc {release}"
# If the project has an address, each page links to its source.
_spec = importlib.util.spec_from_file_location("setup", Path(__file__).resolve().parents[1] / "setup.py")
_setup = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_setup)
html_theme_options = {"source_view_link": f"{_setup.FILES}docs/{{filename}}"} if _setup.FILES else {}
# A prompt is not part of the command.
copybutton_prompt_text = "$ "
html_static_path = ["_static"]
html_css_files = ["custom.css"]
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


def setup(app):
    """Connect `resolved`."""
    app.connect("missing-reference", resolved)
