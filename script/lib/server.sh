# shellcheck shell=bash
# A server of its own for a script that looks at it from outside: the real binary on a scratch folder, gone with the script.
# Sourced after machine.sh, never run. Sets `VITAL_BIN`, `folder`, `port` and `server`.

if [ -z "${VITAL_BIN:-}" ]; then
    VITAL_BIN=$PWD/target/debug/vital
    [ -x "$VITAL_BIN" ] || cargo build --quiet --locked --package vital
fi
unset DATABASE_URL VITAL_CONFIG VITAL_DATA VITAL_LISTEN

folder=$(mktemp -d)
# PostgreSQL runs as another user when this runs as root: it has to be able to reach its folder.
chmod 755 "$folder"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server=
stop_server() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" || true
        server=
    fi
    rm -rf "$folder"
}
trap stop_server EXIT

# start_server: serves what "$folder/vital.toml" says on 127.0.0.1:$port, and returns when it is ready.
start_server() {
    "$VITAL_BIN" serve --config "$folder/vital.toml" --data "$folder/data" --listen "127.0.0.1:$port" >"$folder/said" 2>"$folder/server.log" &
    server=$!
    for _ in $(seq 600); do
        grep -q '^ready in ' "$folder/said" && return
        kill -0 "$server" 2>/dev/null || fail "the server did not start: $(tail -n 5 "$folder/server.log")"
        sleep 0.1
    done
    fail "the server was not ready after a minute: $(tail -n 5 "$folder/server.log")"
}

# vital VERB...: an operator's command on that server's folder.
vital() { "$VITAL_BIN" "$@" --config "$folder/vital.toml" --data "$folder/data"; }

# errors_logged: fails if the server logged an error.
errors_logged() {
    if grep -E '"level":"ERROR"| ERROR ' "$folder/server.log" >&2; then
        fail "the server logged errors"
    fi
}

# library_ready KEY_FILE: returns when the starter library of the organisation of that key (document.read) can be searched.
library_ready() {
    local ready='(.items | length > 0) and all(.items[]; .state == "ready")'
    for _ in $(seq 600); do
        curl -s "http://127.0.0.1:$port/api/v1/documents?starter=true&limit=200" -H "Authorization: Bearer $(cat "$1")" | jq -e "$ready" >/dev/null && return
        sleep 0.1
    done
    fail "the starter library was not there after a minute: $(tail -n 5 "$folder/server.log")"
}
