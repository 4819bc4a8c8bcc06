#!/bin/sh
# Starts the broker with one user for each service. Each may publish to our one exchange and read its own queues;
# only the owner, as whom `afterhello migrate` runs, may declare anything. There is no user `guest`.
set -eu
umask 077

prefix=${BUS_PREFIX:-afterhello}
exchange=$(printf '%s' "$prefix" | sed 's/[.]/[.]/g') # as a pattern

for password in "$OWNER_PASSWORD" "$INTAKE_PASSWORD" "$SCHEDULER_PASSWORD" "$NOTIFIER_PASSWORD"; do
    case $password in
    '' | *[!A-Za-z0-9_-]*) echo "each password must be of letters, digits, - and _" >&2 && exit 1 ;;
    esac
done

user() { # NAME PASSWORD
    printf '{"name": "%s", "password": "%s", "tags": []}' "$1" "$2"
}

may() { # NAME CONFIGURE WRITE READ
    printf '{"user": "%s", "vhost": "/", "configure": "%s", "write": "%s", "read": "%s"}' "$@"
}

cat > /tmp/definitions.json <<JSON
{
  "vhosts": [{"name": "/"}],
  "users": [
    $(user afterhello_owner "$OWNER_PASSWORD"),
    $(user afterhello_intake "$INTAKE_PASSWORD"),
    $(user afterhello_scheduler "$SCHEDULER_PASSWORD"),
    $(user afterhello_notifier "$NOTIFIER_PASSWORD")
  ],
  "permissions": [
    $(may afterhello_owner "^$exchange([.].*)?\$" "^$exchange([.].*)?\$" "^$exchange([.].*)?\$"),
    $(may afterhello_intake '^$' "^$exchange\$" "^$exchange[.]intake([.]dead)?\$"),
    $(may afterhello_scheduler '^$' "^$exchange\$" "^$exchange[.]scheduler([.]dead)?\$"),
    $(may afterhello_notifier '^$' "^$exchange\$" "^$exchange[.]notifier([.]dead)?\$")
  ]
}
JSON

exec docker-entrypoint.sh rabbitmq-server
