# What it leaves is booted.
# A whole system with systemd, once with kmod and libkmod2 and once without either. Both boot, without a failed unit, and
# have the same modules then, and when devices have come and the services that load modules were restarted.

# Makes /out/$1 what is booted: this whole system.
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

cat >/usr/local/sbin/report <<'END'
#!/bin/sh
# Reports on the second serial port. The commands go to the console; one that fails is the last one there.
modules() {
    udevadm settle --timeout=300
    echo "$1: $(cut -d ' ' -f 1 /proc/modules | sort | tr '\n' ' ')"
}
# A driver is bound to a device.
bound() {
    timeout 300 sh -c "until ls /sys/bus/$1/drivers/$2/*[0-9]*:* >/dev/null 2>&1; do sleep 0.1; done"
}
(
set -eux
systemctl is-system-running --wait
[ "$(systemctl --failed --no-legend)" = '' ]
[ "$(systemctl is-active multi-user.target systemd-modules-load kmod-static-nodes systemd-udevd | sort -u)" = active ]
sh -eu /tools
# From /etc/modules, over systemd-modules-load.
grep -q '^dummy ' /proc/modules
modules booted
echo 'plug e1000,id=late'
bound pci e1000
echo 'plug usb-storage,drive=stick,id=stick'
bound usb usb-storage
modules plugged
systemctl restart systemd-udevd systemd-modules-load
systemctl restart systemd-udev-trigger
[ "$(systemctl --failed --no-legend)" = '' ]
modules restarted
echo finished
) >/dev/ttyS1 2>/dev/ttyS0
systemctl poweroff --force --force
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
systemctl enable report.service
echo dummy >>/etc/modules
dpkg --install /packages/linux-image-*.deb
kernel=$(ls /lib/modules)
mkdir /kept
mv /packages/*modutils-rs* /kept
rm -r /packages/*
echo 'modprobe --version | grep -q "^kmod version"' >/tools
whole_system with-kmod

keep_running 'systemctl --version' '/sbin/modprobe --version'
dpkg --install /kept/modutils-rs.deb /kept/libkmod2-modutils-rs.deb
dpkg --install /kept/modutils-rs-kmod.deb /kept/modutils-rs-libkmod2.deb
no_failure
[ "$(standing kmod)" = config-files ]
[ "$(standing libkmod2)" = not-installed ]
dpkg --purge kmod
ours_in_place
# The trigger has made the image anew; nothing of kmod's is in it.
unmkinitramfs "/boot/initrd.img-$kernel" /image
ours_in_image /image modprobe rmmod
cmp /usr/lib/x86_64-linux-gnu/libkmod.so.2 "$(readlink -f /image/usr/lib/x86_64-linux-gnu/libkmod.so.2)"
rm -r /image /kept
echo 'modprobe --version | grep -q modutils-rs; [ ! -e /usr/lib/x86_64-linux-gnu/libkmod.so.2.4.0 ]' >/tools
whole_system without-kmod
