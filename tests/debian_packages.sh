#!/bin/sh
# Installs from Debian the programs that tests start: Redis, Prometheus, Alertmanager, Chromium. No service is started.
# Where it may not install (not Debian, not root) it says what will not be tested. It never fails: the tests do, or skip.
set -eu

POLICY=/usr/sbin/policy-rc.d # its exit status 101 forbids packages to start their services
OS_RELEASE=/etc/os-release
FONTS="/usr/share/fonts /usr/local/share/fonts"

# Program (or another that will do), package, and what needs it.
programs() {
  cat <<'END'
redis-server redis-server redis-server live tests on Redis
prometheus prometheus prometheus live tests of Prometheus
promtool promtool prometheus checks of metrics and rules by promtool
prometheus-alertmanager alertmanager prometheus-alertmanager live tests of Alertmanager
chromium google-chrome chromium tests in a browser
END
}

missing() {
  programs | while read -r program other package purpose; do
    if ! command -v "$program" >/dev/null && ! command -v "$other" >/dev/null; then
      echo "$program $package $purpose"
    fi
  done
}

missing_packages() {
  missing | cut -d ' ' -f 2
  # shellcheck disable=SC2086 # folders, not one name
  if [ -z "$(find $FONTS -name '*.[to]tf' -print -quit 2>/dev/null)" ]; then
    echo fonts-dejavu-core
  fi
}

say_what_is_missing() {
  missing | while read -r program package purpose; do
    echo "MISSING: $program, so SKIPPED: $purpose; $1 apt-get install $package" >&2
  done
}

install() {
  echo "installing from Debian for the tests, without starting services: $*"
  log=$(mktemp)
  policy=
  trap 'rm -f "$log" $policy' EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM
  # With noclobber a policy that somebody else put there stays as it is.
  if (set -C && printf '#!/bin/sh\nexit 101\n' >"$POLICY") 2>/dev/null; then
    policy=$POLICY
    chmod 755 "$POLICY"
  fi
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get -o DPkg::Lock::Timeout=300 update &&
    apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
  fi
}

packages=$(missing_packages | sort -u)
if [ -z "$packages" ]; then
  exit 0
fi
if ! grep -q '^ID=debian$' "$OS_RELEASE" 2>/dev/null; then
  say_what_is_missing "this is not Debian; there it is"
elif [ "$(id -u)" -ne 0 ]; then
  say_what_is_missing "not root; run:"
else
  # shellcheck disable=SC2086 # one word for each package
  install $packages
  say_what_is_missing "the installation failed:"
fi
