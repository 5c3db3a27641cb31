#!/usr/bin/env bash
# A Slurm of two nodes, n1 and n2, on one machine, for tests. Needs root, and Debian's slurm-wlm and munge.
#
#   slurm.sh FOLDER up           start it, and wait until both nodes are idle; then SLURM_CONF=FOLDER/slurm.conf
#   slurm.sh FOLDER kill NODE    kill a node as a power cut would: its daemon, and all that runs on it
#   slurm.sh FOLDER revive NODE  start the daemon of a killed node again; `revive controller`: that of the controller
#   slurm.sh FOLDER processes NODE  print the ids of all processes of a node
#   slurm.sh FOLDER down         end everything
#
# It listens on 127.0.0.1 only, and touches no Slurm or munge of the machine.
set -euo pipefail
folder=$(realpath -m "$1")
export SLURM_CONF=$folder/slurm.conf
port=${SLURM_TEST_PORT:-17801}

configuration() {
  local host
  host=$(hostname -s)
  cat <<CONF
ClusterName=swathtest
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$((port + 16))
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthType=auth/munge
# A job that is requeued waits until its credential has expired: 120 s without this.
AuthInfo=socket=$folder/munge/socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
TaskProlog=$folder/prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,requeue_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=10
KillWait=8
MinJobAge=300
MaxArraySize=${MAX_ARRAY_SIZE:-1001}
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$port CPUs=1 RealMemory=4000 Feature=old
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 RealMemory=4000 Feature=new
PartitionName=low Nodes=n1,n2 Default=YES MaxTime=INFINITE PriorityTier=1 
PartitionName=high Nodes=n1,n2 MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
CONF
}

# The processes below one, and itself, deepest first.
tree() {
  local child
  for child in $(pgrep -P "$1"); do tree "$child"; done
  echo "$1"
}

# What a node runs: each of its step daemons, which are no children of its slurmd, with its processes.
steps_of() {
  local step
  for step in $(pgrep -x slurmstepd); do
    if tr '\0' '\n' <"/proc/$step/environ" 2>/dev/null | grep -qx "SLURM_CONF=$SLURM_CONF" &&
      ls -l "/proc/$step/fd" 2>/dev/null | grep -q "$folder/\(spool\|slurmd\)-$1"; then
      tree "$step"
    fi
  done
}

processes_of() {
  if [ "$1" = controller ]; then cat "$folder/slurmctld.pid"; else
    cat "$folder/slurmd-$1.pid"
    steps_of "$1"
  fi
}

case $2 in
up)
  mkdir -p "$folder"/{munge,state}
  chmod 755 "$folder" "$folder/munge"
  [ -f "$folder/munge/key" ] || (umask 077 && head -c 128 /dev/urandom >"$folder/munge/key")
  munged --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
  configuration >"$SLURM_CONF"
  # n2 is an older processor: what runs there may not use AVX-512.
  cat >"$folder/prolog" <<PROLOG
#!/bin/sh
[ "\$SLURMD_NODENAME" = n1 ] && exit 0
echo "\$SLURM_JOB_ID" >>"$folder/older"
echo "export ONEDNN_MAX_CPU_ISA=AVX2"
PROLOG
  chmod 755 "$folder/prolog"
  slurmctld
  slurmd -N n1
  slurmd -N n2
  for _ in $(seq 150); do
    if [ "$(sinfo -h -N -p low -t idle -o %N 2>/dev/null | sort -u | wc -l)" = 2 ]; then exit 0; fi
    sleep 0.2
  done
  echo "the nodes did not come up" >&2
  tail -n 3 "$folder"/*.log >&2
  exit 1
  ;;
kill)
  kill -9 $(processes_of "$3") || true  # one may have ended meanwhile
  ;;
revive)
  if [ "$3" = controller ]; then slurmctld; else slurmd -N "$3"; fi
  ;;
processes) processes_of "$3" ;;
down)
  for node in n1 n2; do kill -9 $(steps_of "$node") 2>/dev/null || true; done
  for pid in "$folder"/*.pid; do kill "$(cat "$pid")" 2>/dev/null || true; done
  ;;
*)
  echo "found $2, expected up, kill, revive, processes or down" >&2
  exit 2
  ;;
esac
