
# What scenarios with the C library share.

link=/usr/lib/x86_64-linux-gnu/libkmod.so.2

# The library that programs get is ours, and nothing lies about.
our_library() {
    [ "$(readlink "$link")" = libkmod.so.2.99.0 ]
    [ "$(dpkg --verify libkmod2-modutils-rs)" = '' ]
    ldconfig
    [ "$(readlink "$link")" = libkmod.so.2.99.0 ]
    [ ! -e /usr/lib/x86_64-linux-gnu/modutils-rs.new ]
    systemctl --version >/dev/null
}

# The library is kmod's, and nothing of ours is left.
kmods_library() {
    ldconfig
    readlink "$link" | grep -q '^libkmod\.so\.2\.[0-9]\.[0-9]$'
    [ "$(ls /usr/lib/x86_64-linux-gnu/*libkmod* | grep -v '/libkmod\.so\.2\(\.[0-9]\.[0-9]\)\?$')" = '' ]
    [ "$(dpkg --verify libkmod2)" = '' ]
    systemctl --version >/dev/null
}

# What udev does for a device that no module is for.
ask_for_nothing() {
    udevadm test-builtin 'kmod load nothing:of:that:name' /sys/class/net/lo
}

# Programs that are linked with it, as they start and as udev calls it.
users_of_library() {
    keep_running 'systemctl --version' ask_for_nothing
}
