"""Reading krb5.conf."""

import pytest

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


def test_the_kdcs_of_realms(tmp_path):
    conf, more = tmp_path / "krb5.conf", tmp_path / "more.conf"
    conf.write_text(
        "[libdefaults]\n kdc = wrong\n"
        "[realms]\n ONE.TEST = {\n  kdc = kdc1.one.test:88\n  # kdc = comment\n  kdc = kdc2.one.test\n"
        "  inner = {\n   kdc = deeper\n  }\n  admin_server = wrong\n }\n TWO.TEST={\n  kdc=tcp/kdc.two.test\n }\n"
        f"[domain_realm]\n kdc = wrong\ninclude {more}\n"
    )
    more.write_text("[realms]\nONE.TEST = {\n kdc = kdc3.one.test\n}\n")
    found = krb5_conf.read(str(conf))
    assert found.kdcs == {
        "ONE.TEST": ["kdc1.one.test:88", "kdc2.one.test", "kdc3.one.test"],
        "TWO.TEST": ["tcp/kdc.two.test"],
    }


def test_krb5_conf_that_includes_itself(tmp_path):
    conf = tmp_path / "krb5.conf"
    conf.write_text(f"include {conf}\n[libdefaults]\n default_realm = EXAMPLE.TEST\n")
    assert krb5_conf.read(str(conf)).libdefaults == {"default_realm": "EXAMPLE.TEST"}


def test_krb5_conf_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setattr(krb5_conf, "DEFAULT", f"{tmp_path}/none")
    assert krb5_conf.read(None) == ([], [f"{tmp_path}/none"], {}, {}, {})


def test_a_changed_file_is_read_again(tmp_path):
    conf, part = tmp_path / "krb5.conf", tmp_path / "conf.d"
    part.mkdir()
    conf.write_text(f"includedir {part}\n[libdefaults]\n default_realm = ONE\n")
    found = krb5_conf.read(str(conf))
    assert krb5_conf.read(str(conf)) is found
    (part / "new.conf").write_text("[libdefaults]\n rdns = false\n")
    assert krb5_conf.read(str(conf)).libdefaults == {"default_realm": "ONE", "rdns": "false"}
    (part / "new.conf").write_text("[libdefaults]\n rdns = true \n")
    assert krb5_conf.read(str(conf)).libdefaults["rdns"] == "true"
    conf.unlink()
    assert krb5_conf.read(str(conf)).libdefaults == {}


@pytest.mark.parametrize(
    "host, realm",
    [
        ("hub.one.test", "HUB"),
        ("HUB.one.test.", "HUB"),
        ("other.one.test", "DOMAIN"),
        ("one.test", "BARE"),
        ("x.two.test", "BARE2"),
        ("two.test", "BARE2"),
        ("one.test.other", ""),
        ("localhost", ""),
        ("", ""),
    ],
)
def test_the_realm_of_a_host(tmp_path, host, realm):
    conf = tmp_path / "krb5.conf"
    conf.write_text(
        "[domain_realm]\n hub.one.test = HUB\n .one.test = DOMAIN\n one.test = BARE\n Two.test = BARE2\n"
        "[libdefaults]\n three.test = NONE\n"
    )
    assert krb5_conf.realm_of(host, krb5_conf.read(str(conf)).domain_realm) == realm
