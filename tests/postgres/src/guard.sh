# Keeps one PostgreSQL server for a test, as the user that it runs as: guard.sh BINARIES DIRECTORY.
#
# Reads commands, one a line, and answers each with a line. When its input ends, which is when the test's process is gone,
# however it went, it stops the server and removes the directory.
set -u
trap '' HUP INT TERM
binaries=$1
directory=$2
server=

everyone() {
    echo "$server" $(cat "/proc/$server/task/$server/children" 2>/dev/null)
}

# A zombie that nobody waits for holds nothing any more.
lives() {
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
    [ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

while read -r command; do
    case $command in
    start)
        "$binaries/postgres" -D "$directory/data" </dev/null >/dev/null &
        server=$!
        ;;
    kill)
        # Stopped first, so that it starts no more of them.
        kill -STOP "$server"
        processes=$(everyone)
        kill -KILL $processes 2>/dev/null
        wait "$server" 2>/dev/null
        # A new server refuses to start while one of them still has the old one's memory, and says nothing that ends the wait.
        for process in $processes; do
            while lives "$process"; do sleep 0.01; done
        done
        server=
        ;;
    pause) kill -STOP $(everyone) ;;
    resume) kill -CONT $(everyone) ;;
    esac
    echo done
done

if [ -n "$server" ]; then
    kill -CONT $(everyone) 2>/dev/null
    kill -QUIT "$server" 2>/dev/null
    wait "$server" 2>/dev/null
fi
rm -rf "$directory"
