# Only on Debian 12.
# The hooks of other packages are not what this is about.
export INITRD=No
dpkg --install /packages/modutils-rs.deb
install_kernel
database_as_kmods /
# Nothing stays of a run in what may be an image of a system.
[ ! -e "/var/cache/modutils/depmod/$kernel" ]
dpkg --purge "linux-image-$kernel"
[ ! -e "/lib/modules/$kernel" ]
[ ! -e "/var/cache/modutils/depmod/$kernel" ]
ours_in_place
