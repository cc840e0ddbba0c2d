#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Starts the order service and what it calls, traces it from outside, sends orders of all outcomes and shows
# the result. Ends all that it started, unless DEMO_STAY=1. STORE=postgres: orders are kept in PostgreSQL, users and
# events in Redis, both of which run here for as long as it takes.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
work=''
declare -A ports pids

finish() {
	for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
	wait
	[ -z "$work" ] || rm -rf "$work"
}
trap finish EXIT
# A second Ctrl-C does not cut that short.
trap 'trap "" INT TERM HUP; exit 130' INT TERM HUP
work=$(mktemp -d /tmp/spanhook-demo.XXXXXX)

say() { printf '\n\033[1m== %s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }

# wait_for WHAT COMMAND...: until the command succeeds, at most 10 s
wait_for() {
	local what=$1 i
	shift
	for i in $(seq 200); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done
	echo "demo: $what did not come up" >&2
	[ ! -e "$work/$what.log" ] || cat "$work/$what.log" >&2
	exit 1
}

# start NAME COMMAND...: in the background; its process is in ${pids[NAME]}, its port in ${ports[NAME]}
start() {
	local name=$1
	shift
	"$@" >"$work/$name.log" 2>&1 &
	pids[$name]=$!
	wait_for "$name" grep -q 'listening on' "$work/$name.log"
	ports[$name]=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$work/$name.log" | head -n 1)
}

# A port that nobody listens on.
free_port() {
	local port
	while port=$((RANDOM % 20000 + 20000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

# as USER COMMAND...: becomes the command, without the rights of root
as() {
	local user=$1
	shift
	if ((EUID)); then exec "$@"; else exec setpriv --reuid="$user" --regid="$user" --init-groups "$@"; fi
}

# folder USER NAME: one in which only that user's server has a say
folder() {
	mkdir -m 700 "$work/$2.data"
	((EUID)) || chown "$1:" "$work/$2.data"
}

start_postgres() {
	local bin port data=$work/postgres.data
	bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 | sort -V | tail -n 1)
	port=$(free_port)
	folder postgres postgres
	(cd / && as postgres "$bin/initdb" -D "$data" -U shop -A trust --no-sync) >"$work/initdb.log"
	(cd / && as postgres "$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 \
		-c unix_socket_directories= -c fsync=off) >"$work/postgres.log" 2>&1 &
	wait_for postgres "$bin/createdb" -h 127.0.0.1 -p "$port" -U shop shop
	ports[postgres]=$port
}

start_redis() {
	local port
	port=$(free_port)
	folder redis redis
	(as redis redis-server --port "$port" --bind 127.0.0.1 --dir "$work/redis.data" --save '') >"$work/redis.log" 2>&1 &
	wait_for redis redis-cli -h 127.0.0.1 -p "$port" ping
	ports[redis]=$port
}

stores=(--database "sqlite://$work/orders.db" --events "file://$work/events.jsonl")
case ${STORE:-sqlite} in
sqlite) ;;
postgres)
	tests/deps.sh stores
	chmod 711 "$work"
	say "PostgreSQL and Redis"
	start_postgres
	start_redis
	stores=(--database "postgres://shop@127.0.0.1:${ports[postgres]}/shop" --cache "redis://127.0.0.1:${ports[redis]}")
	echo "on ports ${ports[postgres]} and ${ports[redis]}"
	;;
*)
	echo "usage: STORE=sqlite|postgres $0" >&2
	exit 2
	;;
esac

say "Four backends and the order service, none of which knows of tracing"
for role in user product inventory payment; do
	start "$role" "$B/backend" --role "$role" --port 0 --latency-ms 2 --jitter-ms 4 --data "service/data/$role.json"
	echo "$role service on port ${ports[$role]}"
done
start order "$B/order-service" --port 0 --user-url "http://127.0.0.1:${ports[user]}" --product-url "http://127.0.0.1:${ports[product]}" \
	--inventory-url "http://127.0.0.1:${ports[inventory]}" --payment-url "http://127.0.0.1:${ports[payment]}" \
	"${stores[@]}"
echo "order service on port ${ports[order]}, process ${pids[order]}"

functions=()
for step in 'create_order(user.id=order->user_id, order.id=order->order_id at return, order.total_amount=order->total_amount at return)' \
	validate_user validate_products 'reserve_inventory(reservation.id=order->reservation_id at return)' calculate_total_amount \
	create_order_record publish_order_created_event; do
	functions+=(--function "$step error if return < 0 as errno")
done

say "spanhook attach -p ${pids[order]} --function ... (and the user service's process, to show both ends of a call)"
color=never
[ -t 1 ] && color=always
"$B/spanhook" attach -p "${pids[order]}" -p "${pids[user]}" "${functions[@]}" --color $color --log "$work/spans.jsonl" \
	--listen 127.0.0.1:19099 >"$work/live" 2>"$work/spanhook.log" &
spanhook=$!
wait_for spanhook grep -q attached "$work/spanhook.log"

url=http://127.0.0.1:${ports[order]}
post() { curl -s -o "$work/answer" -w '%{http_code} ' -H 'Content-Type: application/json' -d "$1" "$url/orders"; }
address='"shipping_address":{"street":"1 Main St","city":"Springfield"}'
for i in $(seq 12); do post "{\"user_id\":$((i % 5 + 1)),\"items\":[{\"product_id\":1,\"quantity\":1},{\"product_id\":2,\"quantity\":$i}],$address}"; done
id=$(sed -n 's/.*"order_id":"\([^"]*\)".*/\1/p' "$work/answer")
for i in 1 2 3; do curl -s -o /dev/null -w '%{http_code} ' "$url/orders/$id"; done
for i in 1 2 3; do curl -s -o /dev/null -w '%{http_code} ' "$url/orders/00000000-0000-4000-8000-000000000000"; done
for i in 1 2 3; do post "{\"user_id\":1,\"items\":[],$address}"; done
for i in 1 2 3; do post "{\"user_id\":99999,\"items\":[{\"product_id\":1,\"quantity\":1}],$address}"; done
for i in 1 2 3; do post "{\"user_id\":1,\"items\":[{\"product_id\":99999,\"quantity\":1}],$address}"; done
for i in 1 2 3; do post "{\"user_id\":1,\"items\":[{\"product_id\":3,\"quantity\":1}],$address}"; done
echo "are the answers that the client got"
all_seen() { (($(grep -c '"service":"order-service".*"kind":"server"' "$work/spans.jsonl") == 30)); }
wait_for "the last span" all_seen

say "Metrics (http://127.0.0.1:19099/metrics)"
curl -s http://127.0.0.1:19099/metrics | grep -E '^(http_requests_total|external_api_calls_total)'
if [ "${DEMO_STAY:-0}" = 1 ]; then
	say "Staying: order service $url, metrics http://127.0.0.1:19099/metrics, spans $work/spans.jsonl; Ctrl-C ends"
	tail -n +1 -f "$work/live" &
	wait $spanhook
fi
kill -INT $spanhook
wait $spanhook || true
say "What was printed live: requests, and below each the calls that it caused; then the table"
cat "$work/live" "$work/spanhook.log"
say "One order as JSON logs"
trace=$(sed -n '/"kind":"server".*"status":201/s/.*"trace_id":"\([0-9a-f]*\)".*/\1/p' "$work/spans.jsonl" | head -n 1)
grep "$trace" "$work/spans.jsonl"
