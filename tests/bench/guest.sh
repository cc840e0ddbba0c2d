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
# Tries the rest of its arguments ten times a second, for at most $1 seconds.
wait_for() {
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}
has_worker() {
	[ -s nginx.pid ] && worker=$(cat /proc/"$(cat nginx.pid)"/task/*/children) && worker=${worker%% *} && [ -n "$worker" ]
}
is_gone() {
	! [ -d /proc/"$1" ]
}
start_nginx() {
	nginx -c /etc/nginx.conf
	wait_for 30 has_worker || exit 1
}
start_agent() {
	spanhook agent -p "$(cat nginx.pid)" >out/agent.txt 2>&1 &
	agent=$!
	wait_for 60 grep -q attached out/agent.txt || exit 1
}
# Has the agent counted so many requests, all that there were since it came? If some were lost it never will.
has_counted() {
	[ "$(metric spanhook_spans_total)" -ge "$1" ]
}
# Has it worked for less than a millisecond since the last try? Being asked for metrics is work of its own.
is_idle() {
	before_ns=$idle_ns
	idle_ns=$(cpu_ns "$agent")
	[ $((idle_ns - before_ns)) -lt 1000000 ]
}
wait_idle() {
	idle_ns=0
	wait_for 10 is_idle || exit 1
}
settle() {
	total=$(answered)
	[ -z "$agent" ] || wait_for 10 has_counted $((total + 1)) || :
}
paced() {
	pace -c 8 -r "$RATE" -d "$1" 8080 /index.html
}
closed() {
	wrk -t1 -c8 -d"$1"s http://127.0.0.1:8080/index.html
}
measure() {
	spans=0 dropped=0 agent_ns=0
	settle
	if [ -n "$agent" ]; then
		spans=$(metric spanhook_spans_total)
		wait_idle
		agent_ns=$(cpu_ns "$agent")
	fi
	requests=$(answered)
	nginx_ns=$(cpu_ns "$worker")
	"$3" "$SECONDS_OF_LOAD" >>out/load.txt 2>&1 || exit 1
	nginx_ns=$(($(cpu_ns "$worker") - nginx_ns))
	if [ -n "$agent" ]; then
		wait_idle
		agent_ns=$(($(cpu_ns "$agent") - agent_ns))
	fi
	settle
	requests=$((total - requests - 1))
	if [ -n "$agent" ]; then
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
		wait_for 30 is_gone "$worker" || exit 1
		rm -f nginx.pid
	done
	round=$((round + 1))
done
