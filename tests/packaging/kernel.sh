
# What scenarios with a kernel share.

# Calls of a tool in /sbin that is ours the whole time, as the record has them: $1 is the tool, $2 how the words go on
# that follow its name.
ran() {
    grep -E "execve\(\"(/usr)?/sbin/$1\", \[\"([^\"]*/)?$1\"$2" /record | grep -v ' = -1 ' >/calls || true
    [ -s /calls ] || { echo "not in the record: $1$2"; exit 1; }
}

# Installs the kernel; whatever does something then is called by its package.
install_kernel() {
    ours_in_place
    dpkg --install /packages/linux-image-*.deb
    ours_in_place
    kernel=$(ls /lib/modules)
    ran depmod ", \"$kernel\"\]"
}

# The database below $1 is what kmod 34 makes of the same modules, to the byte.
database_as_kmods() {
    there=$1/lib/modules/$kernel
    here=$(mktemp -d)/lib/modules/$kernel
    mkdir -p "$here"
    for name in kernel updates modules.order modules.builtin modules.builtin.modinfo; do
        if [ -e "$there/$name" ]; then
            ln -s "$there/$name" "$here/$name"
        fi
    done
    libraries=$(dirname /reference/usr/lib/*/ld-linux-*)
    "$libraries"/ld-linux-* --library-path "$libraries" --argv0 depmod /reference/usr/bin/kmod \
        -b "${here%/lib/modules/*}" "$kernel"
    [ "$(find "$here" -name 'modules.*' -type f | wc -l)" -ge 10 ]
    for file in "$here"/modules.*; do
        cmp "$file" "$there/${file##*/}"
    done
}

# The names of the modules below $1.
modules_of() {
    (cd "$1/lib/modules/$kernel" && find . -name '*.ko*' | sort)
}

# An image that was unpacked to $1 has our tools, and a database of its own modules.
ours_in_image() {
    image=$1
    shift
    for tool in "$@"; do
        cmp "/sbin/$tool" "$image/usr/sbin/$tool"
        [ ! -L "$image/usr/sbin/$tool" ]
    done
    modules_of "$image" >/modules-in-image
    grep -q /ext4.ko /modules-in-image
    grep -q /virtio_blk.ko /modules-in-image
    database_as_kmods "$image"
}

# In the image to come, what loads the driver of the disk leaves a mark: the version of modprobe.
leave_mark() {
    echo 'install virtio_blk /sbin/modprobe --version >/run/version && /sbin/modprobe --ignore-install virtio_blk' \
        >/etc/modprobe.d/mark.conf
}

# Makes /out what is booted: the kernel, the image $1, and a root file system that looks at what the image did.
machine() {
    cp "/boot/vmlinuz-$kernel" /out/kernel
    cp "$1" /out/initrd
    mkdir -p /root-fs/bin /root-fs/sbin /root-fs/dev /root-fs/proc /root-fs/sys /root-fs/run /root-fs/lib/modules
    cp -a /bin/busybox /root-fs/bin
    for applet in cat grep ip ls mount poweroff sh; do
        ln -s busybox "/root-fs/bin/$applet"
    done
    cp -a /sbin/modprobe /sbin/rmmod /root-fs/sbin
    for module in dummy vfat; do
        modprobe -S "$kernel" --show-depends "$module" | while read -r _ file _; do
            mkdir -p "/root-fs${file%/*}"
            cp "$file" "/root-fs$file"
        done
    done
    cp "/lib/modules/$kernel"/modules.* "/root-fs/lib/modules/$kernel"
    cat >/root-fs/init <<'END'
#!/bin/sh
# Reports what runs on the second serial port; a command that fails is the last one there.
[ -e /dev/null ] || mount -t devtmpfs dev /dev
[ -e /proc/mounts ] || mount -t proc proc /proc
[ -e /sys/module ] || mount -t sysfs sys /sys
(
set -eux
grep '^/dev/vda / ext4 ' /proc/mounts
# udev had the disk's driver loaded; for the file system the kernel called modprobe itself.
grep '^virtio_blk ' /proc/modules
grep modutils-rs /run/version
grep '^ext4 ' /proc/modules
grep fs-ext4 /run/modutils/autoloaded/ext4
# The kernel calls ours here, too.
[ ! -e /sys/module/dummy ]
ip link add first type dummy
grep '^dummy ' /proc/modules
grep rtnl-link-dummy /run/modutils/autoloaded/dummy
modprobe vfat
rmmod vfat
[ ! -e /sys/module/vfat ]
echo finished
) >/dev/ttyS1 2>&1
poweroff -f
END
    chmod 755 /root-fs/init
    truncate --size=64M /out/root
    mke2fs -q -t ext4 -d /root-fs /out/root
}
