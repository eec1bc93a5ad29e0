# What all scenarios share. The packages are in /packages, the names of the tools in $tools; a command that fails
# ends the scenario.

# Everything that the package could touch, as text.
state() {
    find /etc/cron.d /etc/kernel /etc/modutils.d /etc/systemd /usr/sbin /usr/bin /usr/lib/modutils-rs /usr/lib/systemd \
        /usr/share/man /usr/share/bash-completion /usr/share/zsh /usr/share/fish /run /var/lib/modutils \
        /var/cache/modutils /var/lib/systemd ! -type d ! -path '*/modutils-rs.log' \
        -printf '%M %u %g %s %p -> %l\n' 2>/dev/null | sort
    dpkg-divert --list | grep -v ' by dash$' || true
}

# The link by which the unit that saves settings at the end is started.
keeper=/etc/systemd/system/multi-user.target.wants/modutils-settings.service

# Where the tools are.
places() {
    echo /bin/kmod /bin/lsmod
    for tool in $tools; do
        [ "$tool" = kmod ] || echo "/sbin/$tool"
    done
}

# Our tools are in place, as files of their own.
ours_in_place() {
    for place in $(places); do
        [ -f "$place" ] && [ ! -L "$place" ]
        [ -x "$place" ]
        "$place" --version | grep -q modutils-rs
    done
    [ "$(dpkg --verify modutils-rs)" = '' ]
    [ "$(ls /sbin/*.ours /sbin/*.new /bin/*.ours /bin/*.new 2>/dev/null)" = '' ]
}

# kmod's tools are in place, as links to it.
kmods_in_place() {
    for place in $(places); do
        [ "$(readlink -f "$place")" = /usr/bin/kmod ]
    done
    ! kmod --version | grep -q modutils-rs
    [ "$(dpkg --verify kmod)" = '' ]
    [ "$(ls /sbin/*kmod /bin/*.kmod /bin/*.usr-kmod /sbin/*.ours /sbin/*.new /bin/*.ours /bin/*.new 2>/dev/null)" = '' ]
}

# Our package with a change: $1 is done in its directory, where DEBIAN holds the scripts.
changed() {
    directory=$(mktemp -d)
    dpkg-deb --raw-extract /packages/ours.deb "$directory"
    chmod 755 "$directory"
    (cd "$directory" && eval "$1")
    dpkg-deb --root-owner-group --build "$directory" /packages/changed.deb >/dev/null
}

# A command that must fail.
fails() {
    if "$@"; then
        echo "should have failed: $*"
        exit 1
    fi
}

