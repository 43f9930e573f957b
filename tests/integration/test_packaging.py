"""What is installed: built and tried as a user would, in environments of their own."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import krbxmlrpc

ROOT = Path(__file__).resolve().parent.parent.parent
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
    page = f"{NAME}.data/data/share/man/man1/krbxmlrpc.1"  # pip puts it where man looks for it
    assert {name for name in held if ".dist-info/" not in name} == {*modules, page}
    assert any(name.endswith("LICENSE") for name in held)
    assert "Requires-Python: >=3.9" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert sorted(line.split()[1].split(">")[0] for line in required) == ["defusedxml", "pykerberos"]
    assert "Negotiate" in metadata  # the README


def test_the_sdist_holds_tests_and_examples_too(dists):
    with tarfile.open(dists / f"{NAME}.tar.gz") as sdist:
        held = set(sdist.getnames())
    wanted = ["setup.py", "setup.cfg", "LICENSE", "README.rst", "CHANGELOG.rst", "SECURITY.rst"]
    wanted += ["tests/run.sh", "tests/servers/hub.conf", "tests/bench/run.sh", "tests/fuzz/run.sh", "tests/fuzz/corpus"]
    wanted += [
        "examples/packages.txt",
        "tests/servers/packages.txt",
        "tests/unit/conftest.py",
        "tests/integration/conftest.py",
    ]
    wanted += ["examples/quickstart.sh", "examples/whoami.py"]
    wanted += ["examples/apache/negotiate.conf", "examples/apache/sessions.conf"]
    assert {f"{NAME}/{name}" for name in wanted} <= held
    assert not any(".venv" in name or "__pycache__" in name or "fuzz/found" in name for name in held)


def test_what_is_built_is_fit_for_an_index(dists):
    check = [sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(dists.iterdir()))]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_no_advice_to_install_from_an_index():
    told = [*(ROOT / "krbxmlrpc").rglob("*.py"), *ROOT.glob("*.rst"), *(ROOT / "docs").rglob("*.rst")]
    told += (path for path in (ROOT / "examples").rglob("*") if path.is_file() and path.suffix != ".pyc")
    advice = re.compile(r"krbxmlrpc\[|install (-\S+ )*'?krbxmlrpc")  # words after install, and an extra by the name
    assert [path for path in told if advice.search(path.read_text())] == []


def test_the_version_stands_in_one_place():
    (line,) = [line for line in (ROOT / "setup.cfg").read_text().splitlines() if line.startswith("version")]
    assert line == "version = attr: krbxmlrpc._version.__version__"
    written = [path for path in (ROOT / "krbxmlrpc").rglob("*.py") if krbxmlrpc.__version__ in path.read_text()]
    assert written == [ROOT / "krbxmlrpc" / "_version.py"]
    assert (ROOT / "CHANGELOG.rst").read_text().splitlines()[3].startswith(krbxmlrpc.__version__)


def test_the_tests_run_from_the_sdist(dists, tmp_path):
    """All are there; of those that are quick and need all kinds of things, some are run."""
    subprocess.run(["tar", "-xf", dists / f"{NAME}.tar.gz", "-C", tmp_path], check=True)
    folder = tmp_path / NAME

    def run(where, *arguments):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=where, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def collected(where):
        """Return the tests without their parameters, some of which differ from run to run."""
        return [line.partition("[")[0] for line in run(where, "--collect-only")[:-1]]  # the last line has the time

    assert collected(folder) == collected(ROOT)
    which = "import krbxmlrpc; print(krbxmlrpc.__file__)"
    done = subprocess.run([sys.executable, "-c", which], cwd=folder, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(folder / "krbxmlrpc" / "__init__.py")
    run(folder, "tests/unit")
    run(folder, *[f"tests/integration/test_{name}.py" for name in ("transport", "pulp", "decoding_memory")])


def test_pip_install_in_an_empty_environment(dists, tmp_path):
    venv.create(tmp_path, with_pip=True)
    python = str(tmp_path / "bin" / "python")
    wheel = str(dists / f"{NAME}-py3-none-any.whl")
    subprocess.run([python, "-m", "pip", "install", "-q", wheel], check=True, capture_output=True)
    script = "import krbxmlrpc; print(krbxmlrpc.KerberosTransport(), krbxmlrpc.__version__)"
    done = subprocess.run([python, "-W", "error", "-c", script], check=True, capture_output=True, text=True, cwd="/")
    assert done.stdout.startswith("<KerberosTransport ") and done.stdout.endswith(f" {krbxmlrpc.__version__}\n")
    command = [str(tmp_path / "bin" / "krbxmlrpc"), "--version"]  # without any extra
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    assert (done.stdout, done.stderr) == (f"krbxmlrpc {krbxmlrpc.__version__}\n", "")
    assert (tmp_path / "share" / "man" / "man1" / "krbxmlrpc.1").is_file()

    # A client is checked against what is installed, also where kobo and pytest are not.
    client = shutil.copy(ROOT / "tests" / "typed_client.py", tmp_path)
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, client]
    done = subprocess.run(check, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_links_of_the_description_can_be_absolute():
    spec = importlib.util.spec_from_file_location("packaging_of_the_project", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    base = "https://forge.example.com/krbxmlrpc/main/"
    targets = re.findall(r"^\.\. (?:_[^:]+:|image::) (.*)", module.description(base), flags=re.MULTILINE)
    assert len(targets) >= 15
    assert [target for target in targets if not target.startswith(base)] == []
    assert [target for target in targets if not (ROOT / target[len(base) :]).is_file()] == []
