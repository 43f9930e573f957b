# For tests/setup.sh and examples/quickstart.sh, which source this file: functions that install system packages and make
# virtual environments. A function does nothing, and quickly, if everything is there.

# install_packages FILE... installs the missing ones of the packages that the files list, as root or with sudo.
install_packages() {
    # shellcheck disable=SC2046  # one word a package
    set -- $(cat "$@")
    present=" $(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        sed -n 's/ installed$//p' | tr '\n' ' ')"
    missing=
    for package in "$@"; do
        case $present in *" $package "*) ;; *) missing="$missing $package" ;; esac
    done
    if [ -z "$missing" ]; then
        return
    fi
    if [ "$(id -u)" -eq 0 ]; then as_root=env
    elif command -v sudo >/dev/null; then as_root="sudo env"
    else
        echo "Some system packages are missing. Install them as root:" >&2
        echo "apt-get update && apt-get install -y$missing" >&2
        exit 1
    fi
    echo "Installing system packages:$missing ..." >&2
    $as_root apt-get update -qq >/dev/null
    # shellcheck disable=SC2086
    $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# make_environment NAME REQUIREMENT... makes .venv-NAME with the project, editable, and the requirements, and puts its
# folder of programs into $bin. PYTHON=python3.9 selects another Python, whose environment has its name behind it.
make_environment() {
    python=${PYTHON:-python3}
    venv=".venv-$1${PYTHON:+-${PYTHON##*/}}"
    bin=$venv/bin
    shift
    stamp="$PWD $* $(cksum setup.cfg setup.py krbxmlrpc/_version.py) $("$python" -VV)"
    if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
        echo "Making the virtual environment $venv ..." >&2
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$bin/python" -m pip install --quiet --use-pep517 --disable-pip-version-check --editable "$@" >&2
        echo "$stamp" >"$venv/stamp"
    fi
}
