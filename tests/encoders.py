"""Bodies as encoders write them, and the values in them."""

from datetime import datetime
from xmlrpc.client import Binary, DateTime

VALUE = {"id": 5, "name": "a <b> & c", "ok": True, "ratio": 2.5, "tags": ["x", ""], "more": {"none": []}}
"""The value in most of these bodies."""

PYTHON = b"""<?xml version='1.0'?>
<methodResponse>
<params>
<param>
<value><struct>
<member>
<name>id</name>
<value><int>5</int></value>
</member>
<member>
<name>name</name>
<value><string>a &lt;b&gt; &amp; c</string></value>
</member>
<member>
<name>ok</name>
<value><boolean>1</boolean></value>
</member>
<member>
<name>ratio</name>
<value><double>2.5</double></value>
</member>
<member>
<name>tags</name>
<value><array><data>
<value><string>x</string></value>
<value><string></string></value>
</data></array></value>
</member>
<member>
<name>more</name>
<value><struct>
<member>
<name>none</name>
<value><array><data>
</data></array></value>
</member>
</struct></value>
</member>
</struct></value>
</param>
</params>
</methodResponse>
"""

COMPACT = PYTHON.replace(b"\n", b"")

PHP = b"""<?xml version="1.0" encoding="utf-8"?>
<methodResponse>
<params>
 <param>
  <value>
   <struct>
    <member>
     <name>id</name>
     <value>
      <int>5</int>
     </value>
    </member>
    <member>
     <name>name</name>
     <value>
      <string>a &#60;b&#62; &#38; c</string>
     </value>
    </member>
    <member>
     <name>ok</name>
     <value>
      <boolean>1</boolean>
     </value>
    </member>
    <member>
     <name>ratio</name>
     <value>
      <double>2.500000</double>
     </value>
    </member>
    <member>
     <name>tags</name>
     <value>
      <array>
       <data>
        <value>
         <string>x</string>
        </value>
        <value>
         <string/>
        </value>
       </data>
      </array>
     </value>
    </member>
    <member>
     <name>more</name>
     <value>
      <struct>
       <member>
        <name>none</name>
        <value>
         <array>
          <data/>
         </array>
        </value>
       </member>
      </struct>
     </value>
    </member>
   </struct>
  </value>
 </param>
</params>
</methodResponse>
"""

PHP_LATIN_1 = PHP.replace(b"utf-8", b"iso-8859-1")

WS_XMLRPC = (
    b'<?xml version="1.0" encoding="UTF-8"?><methodResponse xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions">'
    b"<params><param><value><array><data><value>text</value><value><i4>5</i4></value><value><ex:i8>5000000000</ex:i8>"
    b"</value><value><ex:nil/></value></data></array></value></param></params></methodResponse>"
)

RPC_XML = COMPACT.replace(b"<?xml version='1.0'?>", b'<?xml version="1.0" encoding="us-ascii"?>')

RUBY = COMPACT.replace(b"<?xml version='1.0'?>", b'<?xml version="1.0" ?>').replace(b"int>", b"i4>") + b"\n"

GO = COMPACT.replace(b"<?xml version='1.0'?>", b'<?xml version="1.0" encoding="UTF-8"?>').replace(
    b"&lt;b&gt;", b"&lt;b>"
)

CRLF = PYTHON.replace(b"\n", b"\r\n")

KOJI = """<?xml version='1.0'?>
<methodResponse>
<params>
<param>
<value><array><data>
<value><struct>
<member>
<name>build_id</name>
<value><i8>5000000000</i8></value>
</member>
<member>
<name>epoch</name>
<value><nil/></value></member>
<member>
<name>owner_name</name>
<value><string>Zoë \U0001f600</string></value>
</member>
</struct></value>
<value><struct>
</struct></value>
</data></array></value>
</param>
</params>
</methodResponse>
""".encode()

DJANGO_FAULT = b"""<?xml version='1.0'?>
<methodResponse>
<fault>
<value><struct>
<member>
<name>faultCode</name>
<value><int>1</int></value>
</member>
<member>
<name>faultString</name>
<value><string>Not logged in &amp; more</string></value>
</member>
</struct></value>
</fault>
</methodResponse>
"""

TYPES = b"""<?xml version='1.0'?>
<methodResponse>
<params>
<param>
<value><array><data>
<value><dateTime.iso8601>20240506T07:08:09</dateTime.iso8601></value>
<value><base64>
AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4
OTo7PD0+Pw==
</base64></value>
<value><boolean>0</boolean></value>
<value><int> -7 </int></value>
<value>a text without a type&#13;&#x20AC;&apos;&quot;</value>
<value></value>
<value/>
<value> </value>
<value><nil></nil></value>
<value><biginteger>123456789012345678901234567890</biginteger></value>
</data></array></value>
</param>
</params>
</methodResponse>
"""
OF_TYPES = [
    *(DateTime("20240506T07:08:09"), Binary(bytes(range(64))), False, -7, "a text without a type\r\u20ac'\"", "", ""),
    *(" ", None, 123456789012345678901234567890),
]
OF_TYPES_BUILTIN = [datetime(2024, 5, 6, 7, 8, 9), bytes(range(64)), *OF_TYPES[2:]]

SEVERAL = b"""<methodResponse><params><param><value>one</value></param>
<param><value><int>2</int></value></param></params></methodResponse>"""
EMPTY = b"<methodResponse>\n<params/></methodResponse>"

OF_KOJI = [{"build_id": 5000000000, "epoch": None, "owner_name": "Zo\xeb \U0001f600"}, {}]
BODIES = {
    "xmlrpc.client": (PYTHON, (VALUE,)),
    "xmlrpc.client without line ends": (COMPACT, (VALUE,)),
    "PHP xmlrpc_encode": (PHP, (VALUE,)),
    "PHP xmlrpc_encode without an encoding": (PHP_LATIN_1, (VALUE,)),
    "Apache ws-xmlrpc": (WS_XMLRPC, (["text", 5, 5000000000, None],)),
    "Perl RPC::XML": (RPC_XML, (VALUE,)),
    "Ruby": (RUBY, (VALUE,)),
    "Go": (GO, (VALUE,)),
    "Koji": (KOJI, (OF_KOJI,)),
    "CRLF between tags": (CRLF, (VALUE,)),
    "all types": (TYPES, (OF_TYPES,)),
    "several params": (SEVERAL, ("one", 2)),
    "no params": (EMPTY, ()),
    "one text": (b"<methodResponse><params><param><value>a</value></param></params></methodResponse>", ("a",)),
}
FOR_EXPAT = ("Apache ws-xmlrpc",)
"""These bodies have attributes."""
