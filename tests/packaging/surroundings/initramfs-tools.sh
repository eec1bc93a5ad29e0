# What it leaves is booted.
# Only on Debian 12.
dpkg --install /packages/modutils-rs.deb
leave_mark
install_kernel
ran modprobe ', "--all", "--set-version='
ran depmod ', "-a", "-b", "/var/tmp/mkinitramfs_'
unmkinitramfs "/boot/initrd.img-$kernel" /image
ours_in_image /image modprobe rmmod
machine "/boot/initrd.img-$kernel"
# The same modules come in with kmod's tools, but for what the second softdep lines of modules such as btrfs name: with
# kmod the first line counts alone.
dpkg --remove modutils-rs
kmods_in_place
mkinitramfs -o /kmods.img "$kernel"
unmkinitramfs /kmods.img /kmods
modules_of /kmods >/modules-of-kmods
sort /modules-of-kmods >/theirs
sort /modules-in-image >/ours
[ "$(comm -23 /theirs /ours)" = '' ]
! comm -13 /theirs /ours | grep -v -e /sha256-ssse3.ko -e /xxhash_generic.ko
