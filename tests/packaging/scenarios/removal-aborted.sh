changed 'echo false >>DEBIAN/prerm'
dpkg --install /packages/changed.deb
fails dpkg --remove modutils-rs
ours_in_place
[ "$(readlink -f /sbin/modprobe.$aside)" = /usr/bin/kmod ]
dpkg --install /packages/modutils-rs.deb
dpkg --purge modutils-rs
kmods_in_place
