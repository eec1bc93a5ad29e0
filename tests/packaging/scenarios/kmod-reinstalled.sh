dpkg --install /packages/modutils-rs.deb
dpkg --install /packages/kmod_30*.deb
ours_in_place
[ "$(readlink -f /sbin/modprobe.kmod)" = /usr/bin/kmod ]
dpkg --purge modutils-rs
kmods_in_place
