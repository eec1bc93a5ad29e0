
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
