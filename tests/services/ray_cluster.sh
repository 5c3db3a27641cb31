#!/usr/bin/env bash
# A Ray of a head, which runs no tasks, and two nodes n1 and n2 on one machine, for tests. Needs `ray` on PATH.
#
#   ray_cluster.sh FOLDER up           start it; FOLDER/environment has the variables that lead to it
#   ray_cluster.sh FOLDER kill NAME    kill n1, n2 or the head as a power cut would
#   ray_cluster.sh FOLDER start NAME   start a node again
#   ray_cluster.sh FOLDER processes NAME  print the ids of all processes of a node or the head
#   ray_cluster.sh FOLDER down         end everything
#
# Nodes have loopback addresses of their own; 127.0.0.1 is none of them, because Ray replaces it by an address of
# the machine. A node's processes are known by the variable SWATH_TEST_RAY, which they inherit.
set -euo pipefail
folder=$(realpath -m "$1")
port=${RAY_TEST_PORT:-6390}
mkdir -p "$folder"
[ -f "$folder/token" ] || (umask 077 && head -c 24 /dev/urandom | base64 >"$folder/token")
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token RAY_USAGE_STATS_ENABLED=0
# A lost node or head is noticed after some seconds instead of half a minute and a minute.
export RAY_health_check_period_ms=1000 RAY_health_check_failure_threshold=5 RAY_health_check_timeout_ms=2000
export RAY_gcs_rpc_server_reconnect_timeout_s=10
# One that is frozen answers nothing and closes nothing: calls to it end after seconds instead of seven minutes.
# A busy machine starts the process of a client in more than half a minute.
export RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S=120
export RAY_grpc_client_keepalive_time_ms=5000 RAY_grpc_client_keepalive_timeout_ms=5000

start() {
  local own=(--address="127.0.0.11:$port" --node-ip-address="$2" --num-cpus=1 --resources="{\"$1\": 1}")
  if [ "$1" = head ]; then
    own=(--head --node-ip-address="$2" --port="$port" --num-cpus=0 --include-dashboard=false --temp-dir="$folder/s")
    own+=(--ray-client-server-port="$((port + 1))")
  fi
  SWATH_TEST_RAY="$folder/$1" timeout 120 ray start "${own[@]}" --object-store-memory=100000000 \
    --disable-usage-stats >>"$folder/$1.log" 2>&1 || { tail -n 5 "$folder/$1.log" >&2; exit 1; }
}

address() { case $1 in head) echo 127.0.0.11 ;; n1) echo 127.0.0.12 ;; n2) echo 127.0.0.13 ;; esac }

# grep fails on processes that have ended meanwhile.
processes_of() { { grep -lzsx "SWATH_TEST_RAY=$folder/$1" /proc/[0-9]*/environ || true; } | cut -d/ -f3; }

kill_node() {
  local pid
  for _ in $(seq 50); do
    [ "$(processes_of "$1")" ] || return 0
    for pid in $(processes_of "$1"); do kill -9 "$pid" 2>/dev/null || true; done
    sleep 0.1
  done
}

case $2 in
up)
  cat >"$folder/environment" <<ENV
RAY_ADDRESS=127.0.0.11:$port
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN_PATH=$folder/token
RAY_USAGE_STATS_ENABLED=0
ENV
  for name in head n1 n2; do start "$name" "$(address "$name")"; done
  ;;
start) start "$3" "$(address "$3")" ;;
kill) kill_node "$3" ;;
processes) processes_of "$3" ;;
down) for name in n1 n2 head; do kill_node "$name"; done ;;
*)
  echo "found $2, expected up, kill, start, processes or down" >&2
  exit 2
  ;;
esac
