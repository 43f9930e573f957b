"""The parser of `defusedxml.xmlrpc`, without the rest of that module.

`defusedxml.xmlrpc` also loads `xmlrpc.server`, which only servers need. Together with `pydoc`, `inspect`,
`http.server` and others, which it needs, it took a sixth of the time of ``import krbxmlrpc``.
"""

from __future__ import annotations

from typing import Any, NoReturn
from xmlrpc.client import ExpatParser

from defusedxml.common import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden


class DefusedExpatParser(ExpatParser):
    """The standard parser, but it refuses document types, entities and external references.

    Entities and references need a document type, so its refusal is enough. The other refusals do not rely on it.
    """

    _parser: Any

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        self._parser.StartDoctypeDeclHandler = self.defused_start_doctype_decl
        self._parser.EntityDeclHandler = self.defused_entity_decl
        self._parser.UnparsedEntityDeclHandler = self.defused_unparsed_entity_decl
        self._parser.ExternalEntityRefHandler = self.defused_external_entity_ref_handler

    def defused_start_doctype_decl(self, name: str, *others: Any) -> None:
        """Refuse a document type."""
        system, public, _ = others
        raise DTDForbidden(name, system, public)

    def defused_entity_decl(
        self, name: str, is_parameter: Any, value: Any, base: Any, system: Any, public: Any, notation: Any
    ) -> NoReturn:
        """Refuse an entity."""
        raise EntitiesForbidden(name, value, base, system, public, notation)

    def defused_unparsed_entity_decl(self, name: str, base: Any, system: Any, public: Any, notation: Any) -> NoReturn:
        """Refuse an entity that is not XML."""
        raise EntitiesForbidden(name, None, base, system, public, notation)

    def defused_external_entity_ref_handler(self, context: Any, base: Any, system: Any, public: Any) -> NoReturn:
        """Refuse a reference to an external entity."""
        raise ExternalReferenceForbidden(context, base, system, public)
