# What all scenarios share. The packages are in /packages, the names of the tools in $tools, the number of the release
# of kmod that belongs to the system in $kmod; a command that fails ends the scenario.

# What is behind the names of kmod's tools while ours are in their places: how its package spells their directories.
case $kmod in
    30) aside=kmod ;;
    *) aside=usr-kmod ;;
esac

# Everything that the package could touch, as text.
state() {
    find /etc/cron.d /etc/init.d /etc/kernel /etc/modprobe.d /etc/modutils.d /etc/rcS.d /etc/systemd /usr/sbin /usr/bin /usr/lib/modutils-rs /usr/lib/systemd \
        /usr/lib/modprobe.d /usr/lib/x86_64-linux-gnu /usr/share/initramfs-tools /usr/share/man /usr/share/bash-completion /usr/share/zsh /usr/share/fish /run /var/lib/modutils \
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
    kmod --version | lacks modutils-rs
    [ "$(dpkg --verify kmod)" = '' ]
    [ "$(ls /sbin/*kmod /bin/*.kmod /bin/*.usr-kmod /sbin/*.ours /sbin/*.new /bin/*.ours /bin/*.new 2>/dev/null)" = '' ]
}

# One of our packages, $2 or the tools, with a change: $1 is done in its directory, where DEBIAN holds the scripts.
changed() {
    directory=$(mktemp -d)
    dpkg-deb --raw-extract "/packages/${2:-modutils-rs}.deb" "$directory"
    chmod 755 "$directory"
    (cd "$directory" && eval "$1")
    dpkg-deb --root-owner-group --build "$directory" /packages/changed.deb >/dev/null
}

# Standard input, or a file, has no line that matches. The shell would go on behind `! grep`.
lacks() {
    grep "$@" >&2 && return 1 || [ $? = 1 ]
}

# A command that must fail.
fails() {
    if "$@"; then
        echo "should have failed: $*"
        exit 1
    fi
}


# Makes a source of apt's, the only one, of package files: names below /packages.
repository() {
    mkdir -p /archive
    rm -f /archive/*
    for file in "$@"; do
        cp "/packages/"$file /archive
    done
    for file in /archive/*.deb; do
        dpkg-deb --field "$file"
        echo "Filename: ./${file##*/}"
        echo "Size: $(stat --format=%s "$file")"
        echo "SHA256: $(sha256sum "$file" | cut -d ' ' -f 1)"
        echo
    done >/archive/Packages
    rm -f /etc/apt/sources.list.d/*
    echo 'deb [trusted=yes] file:/archive ./' >/etc/apt/sources.list
    apt_get update
}

apt_get() {
    apt-get --quiet --quiet --yes -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 --no-install-recommends "$@" </dev/null
}

# How dpkg has a package.
standing() {
    dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null || true
}

# Runs commands over and over from now on, until no_failure.
keep_running() {
    rm -f /stop /failures /runs
    trap 'touch /stop' EXIT
    (
        while [ ! -e /stop ]; do
            for command in "$@"; do
                $command >/said 2>&1 || { echo "$command: $?"; cat /said; } >>/failures
            done
            echo >>/runs
        done
    ) &
    loop=$!
}

# Each of them succeeded each time, and they did run meanwhile.
no_failure() {
    touch /stop
    wait "$loop"
    [ "$(wc -l </runs)" -ge 5 ]
    if [ -s /failures ]; then
        cat /failures
        exit 1
    fi
}
