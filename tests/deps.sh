#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages of the groups named: `tests/deps.sh build test`. Calls apt-get only
# when one is missing.
set -eu

declare -A packages=(
	[build]="gcc libc6-dev clang llvm make bpftool libbpf-dev libelf-dev libdw-dev libzydis-dev zlib1g-dev
		libmicrohttpd-dev libcurl4-openssl-dev libcjson-dev libyaml-dev libsqlite3-dev libpq-dev
		libhiredis-dev curl procps"
	[test]="git libcmocka-dev python3-pytest libclang-rt-14-dev clang-format clang-tidy
		shellcheck mandoc nginx-light apache2-bin gunicorn python3-flask python3-aiohttp
		rustc cargo librust-hyper-dev librust-tokio-dev g++ libasio-dev
		python3-uvicorn python3-starlette python3-httpx wrk prometheus
		redis-server redis-tools memcached
		postgresql mariadb-server mariadb-client libmariadb-dev python3-pymysql
		mount iproute2 nftables
		strace bpftrace python3-bpfcc
		qemu-system-x86 qemu-system-arm gcc-aarch64-linux-gnu binutils cpio"
	[stores]="postgresql redis-server util-linux"
)
# Another distributor's Node.js will do; Debian's would replace it.
command -v node >/dev/null || packages[test]+=" nodejs"

installed() {
	[[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]
}

missing=()
for group; do
	if [[ -z ${packages[$group]-} ]]; then
		echo "usage: $0 [build] [test] [stores]" >&2
		exit 2
	fi
	for package in ${packages[$group]}; do
		installed "$package" || missing+=("$package")
	done
done
if ((${#missing[@]} == 0)); then
	exit 0
fi

echo "missing packages: ${missing[*]}"
if ((EUID != 0)); then
	echo "$0: installing them takes root: sudo apt-get install ${missing[*]}" >&2
	exit 1
fi

# No package may start its service: the machine is the user's.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
fi

export DEBIAN_FRONTEND=noninteractive
install() {
	apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
}
known() {
	apt-cache show --no-all-versions "${missing[@]}" >/dev/null 2>&1
}
# The lists may be absent, or so old that what they name is gone from the mirror.
if ! known || ! install; then
	echo "refreshing the package lists"
	apt-get update -q
	install
fi
