#!/usr/bin/env bash
# A strongSwan with ML-KEM and raw ESP in user space (from 6.1 on; Debian 12 and 13 have none), in a chroot of a later Debian,
# as a peer for test/interop/ikev2-newer.test.ts. Changes nothing outside its directory.
#   newer-strongswan.sh install          makes the chroot: some 300 MB, some minutes; needs root
#   newer-strongswan.sh run CMD [ARG …]  runs a program inside; /dev, /run and /tmp of the host are visible
set -euo pipefail
ROOT=${ESPLANADE_NEWER_STRONGSWAN:-/tmp/esplanade-newer-strongswan}
RELEASE=forky

mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' '
}

case ${1:-} in
  install)
    command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap
    from=$(mirror)
    [ -n "$from" ] || { echo "newer-strongswan: no Debian mirror in apt's sources; add one" >&2; exit 1; }
    [ -x "$ROOT/usr/bin/apt-get" ] || debootstrap --variant=minbase "$RELEASE" "$ROOT" "$from" /usr/share/debootstrap/scripts/sid
    printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
    chmod 755 "$ROOT/usr/sbin/policy-rc.d"
    chroot "$ROOT" sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
      charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins libstrongswan-extra-plugins iproute2'
    ;;
  run)
    shift
    exec unshare --mount bash -c '
      root=$1; shift
      mount --make-rprivate /
      for directory in dev run tmp; do mount --rbind "/$directory" "$root/$directory"; done
      mount -t proc proc "$root/proc"
      mount -t sysfs sysfs "$root/sys" 2>/dev/null || true
      exec chroot "$root" "$@"' _ "$ROOT" "$@"
    ;;
  *)
    sed -n 2,5p "$0" >&2
    exit 2
    ;;
esac
