# Only on Debian 12.
# Its package names its tools /usr/sbin/..., the one before /sbin/...; libraries of Debian 13 are not needed here.
dpkg --install /packages/modutils-rs.deb
dpkg --force-depends --force-breaks --install /packages/libkmod2_34*.deb /packages/kmod_34*.deb
ours_in_place
[ "$(readlink -f /sbin/modprobe.usr-kmod)" = /usr/bin/kmod ]
dpkg --purge modutils-rs
kmods_in_place
