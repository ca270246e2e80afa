#!/usr/bin/env bash
# A private one-node Slurm for tests, with no systemd, database or cgroup access (run it as root).
#
#   eval "$(one-node.sh start DIR)"   start it, or whatever of it has died since; sets SLURM_CONF
#   one-node.sh stop DIR              cancel its jobs and stop its daemons; DIR stays
#
# Without cgroups Slurm loses sight of a process whose job script died before it: let scripts exec.
# Keys, state, spool, sockets and logs all stay in DIR; a system Slurm is neither read nor touched.
# Exit status: 0 ready, 2 wrong usage, 77 Slurm cannot run here (a test should then be skipped).
# Read from the environment when DIR has no slurm.conf yet: SLURM_ONE_CPUS (may exceed the real
# ones), SLURM_ONE_MIN_JOB_AGE (seconds a finished job stays visible), SLURM_ONE_NODE_TIMEOUT
# (seconds until a silent slurmd makes its node DOWN), SLURM_ONE_MAX_ARRAY (elements of a job
# array) and SLURM_ONE_REQUEUE_DELAY (seconds a requeued job waits before it may start again).
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

fail() { echo "slurm-one-node: $2" >&2; exit "$1"; }
cannot() { halt; fail 77 "$1 (logs, if any, are in $dir)"; }
# A zombie, which a container's init may never reap, has an empty command line: it is not alive.
alive() { grep -qF "$dir/" "/proc/$1/cmdline" 2>/dev/null; }
running() { [[ -s $dir/$1.pid ]] && alive "$(<"$dir/$1.pid")"; }
end() { # DAEMON: TERM, then KILL if it is still there after 15 s
    running "$1" || return 0
    local pid; pid=$(<"$dir/$1.pid")
    kill "$pid" 2>/dev/null || true
    for _ in {1..150}; do alive "$pid" || return 0; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
}
leftovers() { # the slurmstepds that hold this DIR's log open, and the process groups their jobs lead
    local pid
    for pid in $(pgrep -x slurmstepd || true); do
        [[ -n $(find "/proc/$pid/fd" -lname "$dir/slurmd.log" 2>/dev/null) ]] || continue
        echo "$pid"
        pgrep -P "$pid" | sed 's/^/-/' || true
    done
}
halt() { # safe at any point, started or not
    local pid
    [[ -s $conf ]] || return 0
    if running slurmctld && running munged && timeout 20 scancel --full --me 2>/dev/null; then
        for _ in {1..40}; do [[ -n $(timeout 20 squeue -h 2>&1) ]] || break; sleep 0.25; done
    fi
    end slurmctld
    end slurmd
    for pid in $(leftovers); do kill -KILL -- "$pid" 2>/dev/null || true; done
    end munged
}
free_port() { # FROM: the first TCP port from there on that nothing on loopback answers
    local port=$1
    while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}
configure() {
    local node port mem_kib
    node=$(hostname -s)
    port=$(free_port $((20000 + RANDOM % 10000)))
    mem_kib=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
    cat >"$conf" <<CONF
ClusterName=one
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$(free_port $((port + 1)))
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket=$dir/munge.sock,cred_expire=${SLURM_ONE_REQUEUE_DELAY:-10}
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/jobcomp.log
MpiDefault=none
JobRequeue=1
ReturnToService=2
MinJobAge=${SLURM_ONE_MIN_JOB_AGE:-300}
MaxArraySize=${SLURM_ONE_MAX_ARRAY:-1001}
KillWait=5
OverTimeLimit=0
SlurmdTimeout=${SLURM_ONE_NODE_TIMEOUT:-30}
SlurmdParameters=config_overrides
NodeName=$node NodeAddr=127.0.0.1 CPUs=${SLURM_ONE_CPUS:-$(nproc)} RealMemory=$((mem_kib / 1024 * 9 / 10)) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES DefaultTime=10 MaxTime=60 State=UP
CONF
}
start() {
    local tool
    for tool in munged slurmctld slurmd sbatch squeue scancel scontrol sinfo; do
        command -v "$tool" >/dev/null || fail 77 "no $tool here (Debian: apt-get install slurm-wlm munge)"
    done
    [[ $(id -u) == 0 ]] || fail 77 "only root can run slurmd"
    mkdir -p "$dir/state" "$dir/spool"
    [[ -s $dir/munge.key ]] || (umask 077 && head -c 128 /dev/urandom >"$dir/munge.key")
    [[ -s $conf ]] || configure
    # --force: the socket may lie under a directory that only root can enter, as mktemp -d makes.
    running munged ||
        munged --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
            --seed-file="$dir/munged.seed" --log-file="$dir/munged.log" >>"$dir/start.log" 2>&1 ||
        cannot "munged did not start"
    running slurmctld || slurmctld -f "$conf" >>"$dir/start.log" 2>&1 || cannot "slurmctld did not start"
    running slurmd || slurmd -f "$conf" >>"$dir/start.log" 2>&1 || cannot "slurmd did not start"
    for _ in {1..120}; do
        # A node that does not answer shows as idle*, down* and so on: not ready yet.
        case $(timeout 20 sinfo -h -o %T 2>/dev/null || true) in
            idle | mixed | allocated) printf 'export SLURM_CONF=%q\n' "$conf"; return ;;
        esac
        sleep 0.25
    done
    cannot "the node did not become idle"
}

[[ $# == 2 && $1 =~ ^(start|stop)$ ]] || fail 2 "usage: $0 start|stop DIR"
dir=$(realpath -m -- "$2")
[[ $dir =~ ^[[:alnum:]/._+-]{1,70}$ ]] ||
    fail 2 "$dir: has to be at most 70 plain characters, since slurm.conf and socket names hold it"
conf=$dir/slurm.conf
export SLURM_CONF="$conf"
if [[ $1 == start ]]; then start; else halt; fi
