dpkg --install /packages/modutils-rs.deb
dpkg --install /packages/kmod_"$kmod"*.deb
ours_in_place
[ "$(readlink -f /sbin/modprobe.$aside)" = /usr/bin/kmod ]
dpkg --purge modutils-rs
kmods_in_place
