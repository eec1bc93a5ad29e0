# What it leaves is booted.
# Only on Debian 12.
# A system without kmod and libkmod2: what is forbidden is loaded by nobody there, and fails no unit; and all that the unit
# for rmmod -a has to do, root's commands among it, works within its restrictions.

report_by <<'END'
up
# udev has found a mouse, for which there is a driver, and systemd-modules-load a name in /etc/modules.
[ ! -e /sys/module/psmouse ]
[ ! -e /sys/module/dummy ]
grep -q '^loop ' /proc/modules
[ "$(cat /sys/bus/serio/devices/serio1/modalias | cut -c 1-8)" = serio:ty ]
udevadm trigger --action=add --subsystem-match=serio
udevadm settle --timeout=300
systemctl restart systemd-modules-load
fails modprobe dummy
all_well
fails insmod "/lib/modules/$(uname -r)/kernel/drivers/net/dummy.ko"
[ ! -e /sys/module/psmouse ]
[ ! -e /sys/module/dummy ]
echo 'forbidden: not loaded'

# The kernel asks for a file system; nobody uses it any more.
used() {
    mount -t overlay -o lowerdir=/usr/share:/usr/bin of-the-test /mnt
    umount /mnt
}
is N "$(used; cat /sys/module/overlay/parameters/index)"
echo Y >/sys/module/overlay/parameters/index
mount -t tmpfs of-the-test /media
# Not more often than systemd lets a unit be started.
timeout 300 sh -c 'until systemctl start modutils-autoclean && [ ! -e /sys/module/overlay ]; do sleep 3; done'
[ "$(systemctl show -P Result modutils-autoclean.service)" = success ]
# The remove command could unmount, write a sysctl, make a network interface, run as somebody else, kill, and write to
# /run and /var; what is around it ran, too.
is 'in the command before overlay after overlay' "$(echo $(cat /run/commands))"
is 'parameters/index = Y' "$(grep -v '^#' /var/lib/modutils/settings/overlay)"
fails grep -q ' /media ' /proc/mounts
is 77 "$(cat /proc/sys/net/ipv4/ip_default_ttl)"
[ -e /var/of-the-test ]
# What was saved comes back.
used
is Y "$(cat /sys/module/overlay/parameters/index)"
# SECURITY.md says how exposed they are.
is '6.4 2.3 3.1 3.1 2.1' "$(for unit in autoclean settings restore restore@x restore-early; do
    systemd-analyze security --no-pager "modutils-$unit.service" | sed -n 's/.*Overall exposure.*: \([0-9.]*\) .*/\1/p'
done | paste -s -d ' ')"
all_well
END
printf '%s\n' dummy loop >>/etc/modules
mkdir -p /etc/modutils.d
cat >/etc/modutils.d/test.conf <<'END'
forbid psmouse : no mice here
forbid dummy
interval 1
command-time 100
persist overlay parameters index
pre-remove overlay echo "before $MODPROBE_MODULE" >>/run/commands
post-remove overlay echo "after $MODPROBE_MODULE" >>/run/commands
END
echo 'remove overlay /usr/local/sbin/remove-overlay' >/etc/modprobe.d/test.conf
cat >/usr/local/sbin/remove-overlay <<'END'
#!/bin/sh -e
umount /media
echo 77 >/proc/sys/net/ipv4/ip_default_ttl
busybox ip link set lo up
setpriv --reuid=nobody --clear-groups true
sleep 1000 &
kill $!
echo "in the command" >>/run/commands
touch /var/of-the-test
/sbin/modprobe --remove --ignore-remove overlay
END
chmod 755 /usr/local/sbin/remove-overlay
dpkg --install /packages/modutils-rs.deb /packages/libkmod2-modutils-rs.deb
dpkg --install /packages/modutils-rs-kmod.deb /packages/modutils-rs-libkmod2.deb
dpkg --purge kmod
dpkg --install /packages/linux-image-*.deb
kernel=$(ls /lib/modules)
rm -r /packages/*
whole_system without-kmod
