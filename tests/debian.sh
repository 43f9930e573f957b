#!/bin/sh
# Runs the two commands of the README on another Debian: "debian.sh SUITE", with bookworm or trixie for example. Needs
# root, debootstrap and 3 GB in TMPDIR, and takes 10 to 20 minutes. Makes a minimal Debian in a temporary folder, clones
# the last commit there, runs examples/quickstart.sh and tests/run.sh, and removes the folder, also after an error or
# Ctrl-C. Arguments after SUITE go to tests/run.sh: "debian.sh trixie unit". "debian.sh --user SUITE" runs the two commands
# as an ordinary user with sudo, and otherwise root runs them.
# The new Debian gets from this machine: apt's mirror (or MIRROR=...) and proxies, the proxies and PIP_* settings of the
# environment, and the CAs that SSL_CERT_FILE, REQUESTS_CA_BUNDLE and PIP_CERT name.
set -eu
cd "$(dirname "$0")/.."
user=root
if [ "${1:-}" = --user ]; then
    user=somebody
    shift
fi
suite=${1:?"usage: tests/debian.sh [--user] SUITE [argument of tests/run.sh ...]"}
shift
if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
    echo "tests/debian.sh needs root and debootstrap: apt-get install debootstrap" >&2
    exit 1
fi

work=$(mktemp -d)
inside=
remove() {
    trap "" INT TERM HUP
    if [ -n "$inside" ]; then
        kill -KILL "$inside" 2>/dev/null || true
        wait "$inside" 2>/dev/null || true
    fi
    # Its processes end soon. Their mounts are their own, so there is nothing of this machine in the folder.
    rm -rf --one-file-system "$work" 2>/dev/null || { sleep 5 && rm -rf --one-file-system "$work"; }
}
trap remove EXIT
trap "exit 130" INT
trap "exit 143" TERM HUP

# Files that the new Debian gets.
files=$work/files
mkdir -p "$files/etc/apt/apt.conf.d" "$files/ca"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n' "$(uname -n)" >"$files/etc/hosts"
apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)' >"$files/etc/apt/apt.conf.d/90outside" || true
git clone --quiet --no-hardlinks . "$files/krbxmlrpc"

# What runs there: "env -i NAME=value ... sh -euc '...' SUITE USER ...". The environment is put in front, one by one.
# shellcheck disable=SC2016
set -- sh -euc '
    run() {
        echo "$0: $*" >&2
        started=$(date +%s)
        "$@" && status=0 || status=$?
        echo "$0: $* ended with status $status after $(($(date +%s) - started)) seconds" >&2
        return $status
    }
    cd /krbxmlrpc
    user=$1
    shift
    as=
    if [ "$user" != root ]; then
        apt-get update -qq >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends sudo >/dev/null 2>&1
        useradd --create-home "$user"
        echo "$user ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/user
        chown -R "$user:" .
        as="runuser -u $user -- env HOME=/home/$user"
    fi
    run $as examples/quickstart.sh
    run $as tests/run.sh "$@"
' "$suite" "$user" "$@"
set -- HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
for name in $(env | sed -nE 's/^((https?|ftp|no|all)_proxy|(HTTPS?|FTP|NO|ALL)_PROXY|PIP_[A-Z_]+)=.*/\1/p') \
    SSL_CERT_FILE REQUESTS_CA_BUNDLE; do
    eval "value=\${$name:-}"
    case $name,$value in
    *,) continue ;;
    SSL_CERT_FILE,* | REQUESTS_CA_BUNDLE,* | PIP_CERT,*)
        cp -L "$value" "$files/ca/$name.pem"
        value=/ca/$name.pem
        ;;
    *,/* | *,file:*) continue ;; # it names a place of this machine
    esac
    set -- "$name=$value" "$@"
done

# All its processes and mounts are in namespaces of their own, which end with "unshare". The shell makes a command in the
# background ignore Ctrl-C, and the tests need it: so "env" undoes that.
mirror=${MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
    head -n 1)}
echo "Making a minimal Debian ($suite) in $work ..." >&2
# shellcheck disable=SC2016
env --default-signal=INT,QUIT unshare --mount --pid --fork --kill-child sh -euc '
    suite=$0 work=$1 mirror=$2
    shift 2
    root=$work/debian
    proxy=
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    http_proxy=${http_proxy:-$proxy}
    [ -z "$http_proxy" ] || export http_proxy
    if ! debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} >"$work/log" 2>&1; then
        tail "$work/log" >&2
        exit 1
    fi
    cp -R "$work/files/." "$root"
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/dev/shm"
    # Tests make namespaces of their own. After a chroot, only root could do that.
    pivot_root "$root" "$root/mnt"
    cd /
    umount --lazy /mnt
    env -i "$@"
' "$suite" "$work" "$mirror" "$@" &
inside=$!
status=0
wait "$inside" || status=$?
inside=
exit "$status"
