# SPDX-License-Identifier: Apache-2.0
# Run by the guest's init: what this kernel offers, then requests of every kind, traced.
# shellcheck shell=sh
cd /tmp || exit
spanhook check >out/check.txt 2>&1
echo $? >out/check.code
spanhook check --output json >out/check.json 2>/dev/null
cp /sys/kernel/btf/vmlinux out/btf

# Traces both ends; waits until $1 spans are there, at most a minute.
spanhook agent --stats --exe '*/nginx' --exe '*/client' --log out/spans.jsonl >out/agent.txt 2>&1 &
agent=$!
i=0
until grep -q attached out/agent.txt; do
	i=$((i + 1))
	if [ $i -gt 300 ] || [ ! -d /proc/$agent ]; then
		wait $agent
		echo $? >out/agent.code
		exit 1
	fi
	sleep 0.1
done
nginx -c /etc/nginx.conf || exit
sh /loads >out/loads.txt 2>&1
echo $? >out/loads.code
want=$(cat /spans)
i=0
while [ "$(wc -l <out/spans.jsonl)" -lt "$want" ] && [ $i -lt 300 ]; do
	i=$((i + 1))
	sleep 0.1
done
kill -TERM $agent
wait $agent
echo $? >out/agent.code
