# SPDX-License-Identifier: Apache-2.0
# Run by the guest's init: nginx untraced and traced, in turn. A line a measurement:
# ROUND SETTING LOAD REQUESTS NGINX_NS AGENT_NS SPANS DROPPED
# shellcheck shell=sh
cd /tmp || exit
# shellcheck source=/dev/null
. /settings # ROUNDS, SECONDS_OF_LOAD, RATE, STATS
metric() {
	wget -q -O - http://127.0.0.1:9090/metrics | awk -v name="$1" 'index($1, name) == 1 { n += $2 } END { print n + 0 }'
}
# Requests that nginx has answered, this one not among them.
answered() {
	wget -q -O - http://127.0.0.1:8081/ | awk 'NR == 3 { print $3 - 1 }'
}
cpu_ns() {
	cat /proc/"$1"/task/*/schedstat | awk '{ n += $1 } END { print n }'
}
start_nginx() {
	nginx -c /etc/nginx.conf
	until [ -s nginx.pid ] && children=$(cat /proc/"$(cat nginx.pid)"/task/*/children) && [ -n "$children" ]; do
		sleep 0.1
	done
	worker=${children%% *}
}
start_agent() {
	spanhook agent -p "$(cat nginx.pid)" >out/agent.txt 2>&1 &
	agent=$!
	until grep -q attached out/agent.txt; do
		[ -d /proc/$agent ] || exit 1
		sleep 0.1
	done
}
paced() {
	pace 8080 /index.html 8 "$RATE" "$1"
}
closed() {
	wrk -t1 -c8 -d"$1"s http://127.0.0.1:8080/index.html
}
measure() {
	spans=0 dropped=0 agent_ns=0
	sleep 1
	if [ -n "$agent" ]; then
		spans=$(metric spanhook_spans_total)
		agent_ns=$(cpu_ns "$agent")
	fi
	requests=$(answered)
	nginx_ns=$(cpu_ns "$worker")
	"$3" "$SECONDS_OF_LOAD" >>out/load.txt 2>&1 || exit 1
	nginx_ns=$(($(cpu_ns "$worker") - nginx_ns))
	sleep 1
	if [ -n "$agent" ]; then
		agent_ns=$(($(cpu_ns "$agent") - agent_ns))
	fi
	requests=$(($(answered) - requests - 1))
	if [ -n "$agent" ]; then
		sleep 5
		spans=$(($(metric spanhook_spans_total) - spans - 2))
		dropped=$(metric spanhook_dropped_total)
	fi
	echo "$1 $2 $3 $requests $nginx_ns $agent_ns $spans $dropped" >>out/results.txt
}
[ -n "$STATS" ] && sysctl -w kernel.bpf_stats_enabled=1 >/dev/null
round=0
while [ $round -lt "$ROUNDS" ]; do
	for setting in untraced traced; do
		agent=
		start_nginx
		[ $setting = traced ] && start_agent
		closed 1 >/dev/null
		for load in paced closed; do
			measure $round $setting $load
		done
		if [ -n "$agent" ]; then
			[ -n "$STATS" ] && bpftool prog >out/programs.txt
			kill -TERM $agent
			wait $agent
		fi
		kill "$(cat nginx.pid)"
		while [ -d /proc/"$worker" ]; do
			sleep 0.1
		done
		rm -f nginx.pid
	done
	round=$((round + 1))
done
