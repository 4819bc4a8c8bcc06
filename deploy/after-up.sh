#!/bin/sh
# Says where things are, once they run. Called by make.
set -eu

setting() {
    sed -n "s/^$1=//p" .env | tail -n 1
}
echo "Afterhello runs: http://127.0.0.1:$(setting PORT)/readyz"
case ,$(setting COMPOSE_PROFILES), in
*,mail,*) echo "Mails are caught, not sent: http://127.0.0.1:8025" ;;
esac
cat <<'TEXT'
Add a form:     docker compose exec intake afterhello source add typeform "Sign-up"
Look after it:  docker compose ps; docker compose logs -f; deploy/runbook.md
Stop it:        docker compose down        (with -v everything that was stored goes too)
TEXT
