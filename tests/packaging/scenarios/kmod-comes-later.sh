# There is no modprobe at times.
dpkg --force-depends --purge kmod
[ ! -e /sbin/modprobe ]
dpkg --install /packages/modutils-rs.deb
ours_in_place
dpkg --install /packages/kmod_"$kmod"*.deb
ours_in_place
dpkg --purge modutils-rs
kmods_in_place
