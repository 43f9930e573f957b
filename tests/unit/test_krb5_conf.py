"""Reading krb5.conf."""

from krbxmlrpc._kerberos import krb5_conf


def test_krb5_conf(tmp_path):
    first, second, part = tmp_path / "krb5.conf", tmp_path / "second.conf", tmp_path / "conf.d"
    part.mkdir()
    (part / "more.conf").write_text('[libdefaults]\n default_ccache_name = "KEYRING:persistent:%{uid}"\n')
    (part / "not.conf~").write_text("[libdefaults]\n rdns = true\n")
    first.write_text(
        f"# a comment\nincludedir {part}\nincludedir {tmp_path}/nowhere\ninclude {tmp_path}/none\n"
        "[realms]\n EXAMPLE.TEST = {\n  kdc = localhost\n  default_realm = WRONG\n }\n"
        "[libdefaults]\n ; default_realm = COMMENT\n # nested = {\n #default_realm = COMMENT\n"
        " default_realm =EXAMPLE.TEST\n nested = {\n  rdns = true\n }\n"
        "[domain_realm]\n default_realm = WRONG\n"
    )
    second.write_text("[libdefaults]\n default_realm = LATER\n rdns = false\n")
    found = krb5_conf.read(f"{first}:{tmp_path}/missing:{second}")
    assert found.files == [str(first), str(second)] and found.missing == [f"{tmp_path}/missing"]
    assert found.libdefaults == {
        "default_ccache_name": "KEYRING:persistent:%{uid}",
        "default_realm": "EXAMPLE.TEST",
        "rdns": "false",
    }


def test_krb5_conf_that_includes_itself(tmp_path):
    conf = tmp_path / "krb5.conf"
    conf.write_text(f"include {conf}\n[libdefaults]\n default_realm = EXAMPLE.TEST\n")
    assert krb5_conf.read(str(conf)).libdefaults == {"default_realm": "EXAMPLE.TEST"}


def test_krb5_conf_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setattr(krb5_conf, "DEFAULT", f"{tmp_path}/none")
    assert krb5_conf.read(None) == ([], [f"{tmp_path}/none"], {})
