dpkg --install /packages/modutils-rs.deb
# As the scripts of Debian's kernel packages call it.
mkdir -p /lib/modules/6.1.0-test /var/cache/modutils/depmod
touch /lib/modules/6.1.0-test/modules.weakdep /var/cache/modutils/depmod/6.1.0-test
hook=/etc/kernel/postrm.d/modutils-rs
DEB_MAINT_PARAMS=remove $hook 6.1.0-test /boot/vmlinuz-6.1.0-test
[ -e /lib/modules/6.1.0-test/modules.weakdep ]
DEB_MAINT_PARAMS=purge $hook 6.1.0-test /boot/vmlinuz-6.1.0-test
rmdir /lib/modules/6.1.0-test
[ ! -e /var/cache/modutils/depmod/6.1.0-test ]
# Its directory is not asked for by an empty name, nor by a path.
DEB_MAINT_PARAMS=purge $hook '' x
DEB_MAINT_PARAMS=purge $hook ../x x
