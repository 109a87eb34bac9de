#!/usr/bin/env bash
# Installs the portrait demo on Raspberry Pi OS (64 bit, Bookworm or Trixie), and tries it.
set -euo pipefail

usage="Usage: install.sh [--service] [--dry-run]
  --service  start it with the machine, as the service portrait-demo
  --dry-run  print each command instead of running it"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=/opt/portrait-demo
python=$home/venv/bin/python
checkout=$(dirname "$here")

fail() {
    printf '%s\n' "install.sh: $1" "${@:2}" >&2
    exit 2
}

run() {
    if [[ $dry_run ]]; then
        printf '%q ' "$@" | sed 's/ $//'
        printf '\n'
    else
        "$@"
    fi
}

read_options() {
    service='' dry_run=''
    local option
    for option in "$@"; do
        case $option in
            --service) service=yes ;;
            --dry-run) dry_run=yes ;;
            -h | --help) echo "$usage" && exit ;;
            *) fail "No such option. Received: $option" "$usage" ;;
        esac
    done
}

check_machine() {
    local os_release=${OS_RELEASE:-/etc/os-release}
    [[ -r $os_release ]] || fail "This is for Raspberry Pi OS. Received: a system without $os_release"
    # shellcheck disable=SC1090
    codename=$(. "$os_release" && echo "${ID:-}/${VERSION_CODENAME:-}")
    case $codename in
        debian/bookworm | debian/trixie | raspbian/bookworm | raspbian/trixie) ;;
        *) fail "This is for Raspberry Pi OS Bookworm or Trixie. Received: ${codename%/}" \
            "Elsewhere, in a checkout: python3 -m venv .venv && .venv/bin/pip install ." ;;
    esac
    codename=${codename#*/}
    # A 64-bit kernel may carry a 32-bit system, as it does on 32-bit Raspberry Pi OS.
    local machine bits
    machine=$(uname -m)
    bits=$(getconf LONG_BIT)
    if [[ $machine == aarch64 && $bits == 64 ]]; then
        return
    fi
    case $machine in
        aarch64 | arm*) fail "This system has 32 bits; the networks' runtime has only 64-bit releases for it." \
            "Flash Raspberry Pi OS (64-bit): every Pi from the 3 and the Zero 2 W on runs it." \
            "README.md tells what there is for 32 bits. Received: $machine, $bits bits" ;;
        *) fail "This is for a 64-bit Raspberry Pi (aarch64). Received: $machine, $bits bits" ;;
    esac
}

install_packages() {
    run sudo apt-get update
    run sudo apt-get install --yes --no-install-recommends \
        python3-venv python3-picamera2 python3-gpiozero python3-lgpio
}

install_demo() {
    local wanted=()
    # Bookworm's picamera2 was built for NumPy 1 and does not load with 2; Trixie's takes 2.
    if [[ $codename == bookworm ]]; then
        wanted=('numpy<2')
    fi
    run sudo install -d -o "$(id -un)" "$home"
    # picamera2 comes from apt alone, so the environment must see the system's packages.
    run python3 -m venv --system-site-packages "$home/venv"
    run "$python" -m pip install "$checkout" ${wanted[@]+"${wanted[@]}"}
}

try_demo() {
    local folder
    folder=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$folder'" EXIT
    run "$home/venv/bin/portrait-demo" --once "$checkout/keras_portrait/example.jpg" -o "$folder/portrait.png"
    [[ $dry_run || -s $folder/portrait.png ]] || fail "The demo drew nothing."
}

install_service() {
    if ! getent passwd portrait-demo >/dev/null; then
        run sudo useradd --system --user-group --no-create-home --shell /usr/sbin/nologin portrait-demo
    fi
    run sudo install -m 644 "$here/portrait-demo.service" /etc/systemd/system/portrait-demo.service
    if [[ ! -e /etc/default/portrait-demo ]]; then
        # It may hold the page's token; systemd reads it as root.
        run sudo install -m 600 "$here/portrait-demo.default" /etc/default/portrait-demo
    fi
    run sudo systemctl daemon-reload
    run sudo systemctl enable portrait-demo
    run sudo systemctl restart portrait-demo
}

umask 022
read_options "$@"
[[ -f $checkout/setup.py ]] || fail "Run it from a checkout of the repository. Received: $here"
check_machine
if [[ $(id -u) == 0 ]]; then
    fail "Run it as the user who looks after the demo, without sudo; it asks for that itself."
fi
install_packages
install_demo
try_demo
run sudo ln -sf "$home/venv/bin/portrait-demo" /usr/local/bin/portrait-demo
if [[ $service ]]; then
    install_service
fi
[[ $dry_run ]] || echo "Ready: portrait-demo"
