#!/bin/sh
# Sets this checkout up: the virtual environment, Kafka's jars, mongod.
# Run again it only compares stamps. PYTHON names the Python to use: if the virtual environment is
# of another one, it is made again. Before the check of what is missing
# there are only shell built-ins, so that it works on a bare machine.
set -eu

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
}

has_java() {
    command -v java >/dev/null 2>&1 || return 1
    answer=$(java -version 2>&1) || return 1
    version=${answer#*\"}
    version=${version%%[!0-9]*}
    [ "${version:-0}" -ge 17 ]
}

has_libcurl() {
    for file in /lib/*/libcurl.so.4 /usr/lib/*/libcurl.so.4 /usr/lib64/libcurl.so.4 \
        /usr/lib/libcurl.so.4 /usr/local/lib/libcurl.so.4; do
        [ -e "$file" ] && return 0
    done
    return 1
}

missing=''
packages=''
lacks() {
    missing="${missing:+$missing, }$1"
    packages="$packages $2"
}

python=$(find_python)
if [ -z "$python" ]; then
    lacks 'Python 3.11+' 'python3 python3-venv'
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    lacks "Python's venv" 'python3-venv'
fi
has_java || lacks 'Java 17+' 'default-jre-headless'
command -v mvn >/dev/null 2>&1 || lacks 'Maven' 'maven'
has_libcurl || lacks 'libcurl4' 'libcurl4'
[ -z "$missing" ] || fail "missing: $missing. Install with: apt-get install -y$packages"
[ "${1:-}" != check ] || exit 0

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
local_dir=${PEYGIR_LOCAL_DIR:-.local}
mkdir -p "$local_dir"
local_dir=$(CDPATH='' cd -- "$local_dir" && pwd)
cache=$local_dir/cache
venv=$local_dir/venv
mkdir -p "$cache"

# One set-up at a time; those that waited find the stamps in place.
exec 9>"$local_dir/setup.lock"
if command -v flock >/dev/null 2>&1; then flock 9; fi

pip() {
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input "$@"
}

# Which wheels an interpreter takes: its implementation, version, ABI and platform.
abi_of() {
    "$1" -c 'import sys, sysconfig
print(sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag)' 2>/dev/null
}

has_packages() {
    cmp -s "$lock" "$venv/.lock.txt" && abi=$(abi_of "$venv/bin/python") || return 1
    [ -z "${PYTHON:-}" ] || [ "$abi" = "$(abi_of "$python")" ]
}

lock=requirements-dev.txt
wheels=$cache/wheels
if ! has_packages; then
    echo "set-up: Python packages into $venv"
    "$python" -m venv --clear "$venv"
    downloaded=$wheels/.lock-$(abi_of "$python").txt
    if ! cmp -s "$lock" "$downloaded"; then
        pip download --cache-dir "$cache/pip" --require-hashes --requirement "$lock" \
            --dest "$wheels"
        cp "$lock" "$downloaded"
    fi
    pip install --no-index --find-links "$wheels" --require-hashes --requirement "$lock"
    cp "$lock" "$venv/.lock.txt"
fi

pom=deploy/local/pom.xml
kafka_version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$pom")
kafka=$cache/kafka-$kafka_version
if ! cmp -s "$pom" "$kafka/.pom.xml"; then
    echo "set-up: Kafka $kafka_version into $kafka"
    rm -rf "$kafka"
    said=$(mvn --quiet --batch-mode --file "$pom" -Dstyle.color=never \
        -Dmaven.repo.local="$cache/maven" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$kafka/libs" 2>&1) || fail "$said"
    cp "$pom" "$kafka/.pom.xml"
fi

if [ ! -e "$kafka/classes.jsa" ]; then
    echo "set-up: Kafka's classes into an archive, for faster starts"
    "$venv/bin/python" -m deploy.local archive-kafka-classes
fi
