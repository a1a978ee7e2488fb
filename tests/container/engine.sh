# A Docker engine for tests/container/run, which sources this: the one that is there, or else Debian's, started by
# hand in namespaces of our own. Its bridge and rules then live in a network that has no way out, so that the
# host's stay as they are, and all its processes end with the namespace of processes they are in.
# shellcheck shell=bash

engine_is_there() { timeout 20 docker info > /dev/null 2>&1; }

# Says in one line why there can be no engine of our own; nothing where there can.
why_no_engine() {
  if [ "$(id -u)" != 0 ]; then
    echo "no Docker engine answers, and only root can start one"
  elif ! unshare --mount --net --pid --fork --mount-proc true 2> /dev/null; then
    echo "no Docker engine answers, and this machine allows no namespaces to start one in"
  elif ! command -v dockerd > /dev/null && ! install_engine; then
    echo "no Docker engine answers, and docker.io cannot be installed here without starting it on this machine"
  elif ! command -v iptables > /dev/null || ! command -v ip > /dev/null; then
    echo "no Docker engine answers, and iptables or iproute2 is missing to start one"
  fi
}

install_engine() {
  command -v apt-get > /dev/null || return 1
  # Its service must not start on the host. RUNLEVEL=1 keeps invoke-rc.d from it; where systemd runs nothing
  # keeps the package from starting it, and then it would make rules in the host's network.
  [ ! -d /run/systemd/system ] || return 1
  { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    docker.io iptables iproute2; } > /dev/null 2>&1
}

# Runs this script once more, inside.
enter_namespaces() {
  exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private -- "$0" --inside "$@"
}

# What was built stays in target/container/engine for the next run; nothing else does.
start_engine() {
  local store=$PWD/target/container/engine
  mkdir -p "$store"
  run_folder=$(mktemp -d /tmp/tlsfloor-engine.XXXXXX) # short: sockets have a limit of 108 bytes
  ip link set lo up
  mount --make-rshared /
  mount -t tmpfs tmpfs /run
  export DOCKER_HOST=unix://$run_folder/socket
  dockerd --data-root "$store" --exec-root "$run_folder/exec" --pidfile "$run_folder/pid" \
    --host "$DOCKER_HOST" > target/container/engine.log 2>&1 &
  engine=$!
  local deadline=$((SECONDS + 60))
  until engine_is_there; do
    if ! kill -0 "$engine" 2> /dev/null || [ $SECONDS -ge $deadline ]; then
      echo "container: the engine does not start: $(tail -n 1 target/container/engine.log)" >&2
      return 1
    fi
    sleep 0.2
  done
}

# It ends its containers itself; a container that will not end is killed with the namespace.
stop_engine() {
  kill "$engine" 2> /dev/null || true
  wait "$engine" 2> /dev/null || true
  rm -rf "$run_folder"
}
