"""The parser that refuses document types, entities and external references."""

from xmlrpc.client import Unmarshaller

import pytest
from defusedxml import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.xmlrpc import DefusedExpatParser as Model

from krbxmlrpc._xmlrpc.defused import DefusedExpatParser

REFUSED = {
    "<!DOCTYPE x><x/>": DTDForbidden,
    "<!DOCTYPE x SYSTEM 'http://localhost/'><x/>": DTDForbidden,
    "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>": EntitiesForbidden,
    "<!DOCTYPE x [<!ENTITY % a 'b'>]><x/>": EntitiesForbidden,
    "<!DOCTYPE x [<!NOTATION n PUBLIC 'n'><!ENTITY a SYSTEM 'b' NDATA n>]><x/>": EntitiesForbidden,
    "<!DOCTYPE x [<!ENTITY a SYSTEM 'b'>]><x>&a;</x>": EntitiesForbidden,
}


def new_parser(kind, *let_pass):
    """Return a parser without some of its functions: expat then goes on to the next thing to refuse."""
    parser = kind(Unmarshaller()) if kind is DefusedExpatParser else kind(Unmarshaller(), forbid_dtd=True)
    for name in let_pass:
        setattr(parser._parser, name, None)
    return parser


@pytest.mark.parametrize("kind", [DefusedExpatParser, Model])
@pytest.mark.parametrize("document", REFUSED)
def test_a_document_type_is_refused(kind, document):
    with pytest.raises(DTDForbidden):
        new_parser(kind).feed(document)


@pytest.mark.parametrize("kind", [DefusedExpatParser, Model])
@pytest.mark.parametrize("document", [document for document, error in REFUSED.items() if error is EntitiesForbidden])
def test_an_entity_is_refused_without_that(kind, document):
    with pytest.raises(EntitiesForbidden):
        new_parser(kind, "StartDoctypeDeclHandler").feed(document)


@pytest.mark.parametrize("kind", [DefusedExpatParser, Model])
def test_an_external_reference_is_refused_without_either(kind):
    parser = new_parser(kind, "StartDoctypeDeclHandler", "EntityDeclHandler")
    with pytest.raises(ExternalReferenceForbidden):
        parser.feed("<!DOCTYPE x [<!ENTITY a SYSTEM 'b'>]><x>&a;</x>")


@pytest.mark.parametrize("kind", [DefusedExpatParser, Model])
def test_an_entity_that_is_not_xml_is_refused_by_itself(kind):
    parser = new_parser(kind, "StartDoctypeDeclHandler", "EntityDeclHandler")
    with pytest.raises(EntitiesForbidden):
        parser.feed("<!DOCTYPE x [<!NOTATION n PUBLIC 'n'><!ENTITY a SYSTEM 'b' NDATA n>]><x/>")
