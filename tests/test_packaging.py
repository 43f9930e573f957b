"""What is installed: built and tried as a user would, in environments of their own."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import krbxmlrpc

ROOT = Path(__file__).resolve().parent.parent
NAME = f"krbxmlrpc-{krbxmlrpc.__version__}"


@pytest.fixture(scope="module")
def dists(tmp_path_factory):
    """Build sdist and wheel; the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(dists):
    with zipfile.ZipFile(dists / f"{NAME}-py3-none-any.whl") as wheel:
        held = set(wheel.namelist())
        metadata = wheel.read(f"{NAME}.dist-info/METADATA").decode()
    files = (path for path in (ROOT / "krbxmlrpc").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    modules = {path.relative_to(ROOT).as_posix() for path in files}
    assert "krbxmlrpc/py.typed" in modules
    assert {name for name in held if ".dist-info/" not in name} == modules
    assert any(name.endswith("LICENSE") for name in held)
    assert "Requires-Python: >=3.9" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert sorted(line.split()[1].split(">")[0] for line in required) == ["defusedxml", "pykerberos"]
    assert "Negotiate" in metadata  # the README


def test_the_sdist_holds_tests_and_examples_too(dists):
    with tarfile.open(dists / f"{NAME}.tar.gz") as sdist:
        held = set(sdist.getnames())
    wanted = ["setup.py", "setup.cfg", "LICENSE", "README.rst", "CHANGELOG.rst", "SECURITY.rst"]
    wanted += ["tests/run.sh", "tests/realm/hub.conf", "tests/bench/run.sh", "tests/fuzz/run.sh", "tests/fuzz/corpus"]
    wanted += ["tests/realm/packages.txt", "tests/conftest.py", "examples/quickstart.sh", "examples/whoami.py"]
    assert {f"{NAME}/{name}" for name in wanted} <= held
    assert not any(".venv" in name or "__pycache__" in name or "fuzz/found" in name for name in held)


def test_pip_install_in_an_empty_environment(dists, tmp_path):
    venv.create(tmp_path, with_pip=True)
    python = str(tmp_path / "bin" / "python")
    wheel = str(dists / f"{NAME}-py3-none-any.whl")
    subprocess.run([python, "-m", "pip", "install", "-q", wheel], check=True, capture_output=True)
    script = "import krbxmlrpc; print(krbxmlrpc.KerberosTransport(), krbxmlrpc.__version__)"
    done = subprocess.run([python, "-W", "error", "-c", script], check=True, capture_output=True, text=True, cwd="/")
    assert done.stdout.startswith("<KerberosTransport ") and done.stdout.endswith(f" {krbxmlrpc.__version__}\n")
