
# What scenarios share that boot a whole system with systemd.

# Makes /out/$1 what is booted: this whole system, with the kernel $kernel. What reports there is report_by's.
whole_system() {
    mkdir -p "/out/$1"
    cp "/boot/vmlinuz-$kernel" "/out/$1/kernel"
    cp "/boot/initrd.img-$kernel" "/out/$1/initrd"
    ln -sf /lib/systemd/systemd /init
    mount --bind / /mnt
    truncate --size=4G "/out/$1/root"
    mke2fs -q -t ext4 -d /mnt "/out/$1/root"
    umount /mnt
}

# Has standard input run once the system is up. What it prints is the report; the commands go to the console, and one
# that fails is the last one there. The number of the boot, from 1 on, is $boot; `again` ends it and has another one
# follow. At the end of the input the machine ends.
report_by() {
    cat >/usr/local/sbin/report <<'END'
#!/bin/sh
# Says which modules are loaded, once udev has nothing to do.
modules() {
    udevadm settle --timeout=300
    echo "$1: $(cut -d ' ' -f 1 /proc/modules | sort | tr '\n' ' ')"
}
# A driver is bound to a device.
bound() {
    timeout 300 sh -c "until ls /sys/bus/$1/drivers/$2/*[0-9]*:* >/dev/null 2>&1; do sleep 0.1; done"
}
# A condition that comes true by itself.
until_true() {
    timeout 300 sh -c "until $1; do sleep 0.1; done"
}
# The system is up, and all of it.
up() {
    until_true 'systemctl is-system-running | grep -qv starting'
    all_well
    [ "$(systemctl is-active multi-user.target systemd-modules-load kmod-static-nodes systemd-udevd | sort -u)" = active ]
}
all_well() {
    [ "$(systemctl --failed --no-legend)" = '' ]
}
fails() {
    if "$@"; then
        return 1
    fi
}
# What was found, $2, is what is expected, $1. It is part of the report.
is() {
    echo "$2"
    [ "$2" = "$1" ]
}
again() {
    echo again
    systemctl --no-block reboot
    touch /run/again
    exit 0
}
boot=$(($(cat /boots 2>/dev/null || echo 0) + 1))
echo "$boot" >/boots
(
set -eux
END
    cat - >>/usr/local/sbin/report
    cat >>/usr/local/sbin/report <<'END'
echo finished
touch /run/finished
) >/dev/ttyS1 2>/dev/ttyS0
if [ ! -e /run/again ] && [ ! -e /run/finished ]; then
    {
        systemctl --failed
        # What each of them said.
        systemctl --failed --plain --no-legend | while read -r unit _; do
            journalctl --boot --output=cat --unit="$unit"
        done
        systemctl list-jobs
        journalctl --boot --output=cat | tail -n 60
    } >/dev/ttyS0 2>&1
fi
[ -e /run/again ] || systemctl poweroff --force --force
END
    chmod 755 /usr/local/sbin/report
    cat >/etc/systemd/system/report.service <<'END'
[Unit]
After=multi-user.target

[Service]
ExecStart=/usr/local/sbin/report

[Install]
WantedBy=multi-user.target
END
    systemctl --quiet enable report.service
    # Whoever offers a login there hangs up on those that write to it.
    systemctl --quiet mask serial-getty@ttyS0.service
}

# What systems with kmod and without it are compared by: their modules after booting, and when devices have come and the
# services that load modules were restarted; and what those say who ask the tools and the library. /tools makes sure
# whose tools these are.
report_all() {
    report_by <<'END'
up
sh -eu /tools
# From /etc/modules, over systemd-modules-load.
grep -q '^dummy ' /proc/modules
modules booted
# Who asks the tools: what systemd has static nodes made of, what a maker of images asks about each module, and
# sensors-detect, which asks modprobe what it would do.
sort /run/tmpfiles.d/static-nodes.conf
cut -d ' ' -f 1 /proc/modules | sort | while read -r module; do
    for field in filename firmware depends alias; do
        modinfo -k "$(uname -r)" -0 -F "$field" "$module"
    done
done | cksum
sensors-detect --auto </dev/null
# lspci looks the drivers up by itself, over the C library.
lspci -k
lspci -k | grep 'Kernel modules: .*xhci_pci' >&2
lspci -vnnk | grep -E '^[^[:space:]]|Kernel'
modules asked
echo 'plug e1000,id=late'
bound pci e1000
echo 'plug usb-storage,drive=stick,id=stick'
bound usb usb-storage
# Its disk is found some time after that.
until_true "grep -q '^sd_mod ' /proc/modules && ls -d /sys/block/sd* >/dev/null"
# The driver of a kind that is there from the beginning is loaded for a device that comes, too, and takes both.
modprobe -r virtio_net
fails grep '^virtio_net ' /proc/modules >&2
echo 'plug virtio-net-pci,id=another'
until_true '[ "$(ls -d /sys/bus/virtio/drivers/virtio_net/virtio* 2>/dev/null | wc -l)" = 2 ]'
modules plugged
systemctl restart systemd-udevd systemd-modules-load
systemctl restart systemd-udev-trigger
all_well
modules restarted
END
    echo dummy >>/etc/modules
    dpkg --install /packages/lm-sensors_*.deb /packages/libsensors*.deb /packages/pciutils_*.deb \
        /packages/libpci3_*.deb /packages/pci.ids_*.deb
}

# Installs a kernel beside kmod, and makes /out/with-kmod what is booted. Our packages are put aside.
system_with_kmod() {
    dpkg --install /packages/linux-image-*.deb
    kernel=$(ls /lib/modules)
    mkdir /kept
    mv /packages/*modutils-rs* /kept
    rm -r /packages/*
    echo 'modprobe --version | grep -q "^kmod version"' >/tools
    whole_system with-kmod
}

# Puts our packages into the places of kmod and libkmod2, which go for good.
replace_kmod() {
    keep_running 'systemctl --version' '/sbin/modprobe --version'
    dpkg --install /kept/modutils-rs.deb /kept/libkmod2-modutils-rs.deb
    dpkg --install /kept/modutils-rs-kmod.deb /kept/modutils-rs-libkmod2.deb
    no_failure
    [ "$(standing kmod)" = config-files ]
    [ "$(standing libkmod2)" = not-installed ]
    dpkg --purge kmod
    ours_in_place
    rm -r /kept
}

# Makes /out/without-kmod what is booted. Our tools and our library are in its image, which is unpacked to $1.
system_without_kmod() {
    ours_in_image "$1" modprobe rmmod
    cmp /usr/lib/x86_64-linux-gnu/libkmod.so.2 "$(readlink -f "$1/usr/lib/x86_64-linux-gnu/libkmod.so.2")"
    rm -r "$1"
    echo 'modprobe --version | grep -q modutils-rs; [ ! -e /usr/lib/x86_64-linux-gnu/libkmod.so.2.4.0 ]' >/tools
    whole_system without-kmod
}
