state >/before
dpkg --install /packages/modutils-rs.deb
ours_in_place
# kmod's own program and pages can still be reached.
bash -c "exec -a modprobe /bin/kmod.$aside --version" | grep -q '^kmod version '
[ -f /usr/share/man/man8/modprobe.kmod.8.gz ]
zcat /usr/share/man/man8/modprobe.8.gz | grep -q modutils-rs
# Nothing runs by itself but what saves settings where modutils.d asks for that.
[ "$(readlink "$keeper")" = /lib/systemd/system/modutils-settings.service ] ||
    [ "$(readlink "$keeper")" = /usr/lib/systemd/system/modutils-settings.service ]
[ -L /etc/systemd/system/sysinit.target.wants/modutils-restore-early.service ]
[ -L /etc/systemd/system/sysinit.target.wants/modutils-restore.service ]
[ -f /usr/lib/udev/rules.d/70-modutils-settings.rules ]
/sbin/modprobe --save-settings
[ ! -e /var/lib/modutils ]
lacks '^[^#S]' /etc/cron.d/modutils-rs
[ ! -e /etc/systemd/system/timers.target.wants/modutils-autoclean.timer ]
mkdir -p /run/modutils/autoloaded /var/lib/modutils/settings /var/cache/modutils/depmod
touch /run/modutils/autoloaded/x /var/lib/modutils/settings/x /var/cache/modutils/depmod/x
dpkg --remove modutils-rs
kmods_in_place
dpkg --purge modutils-rs
state >/after
diff /before /after
kmods_in_place
