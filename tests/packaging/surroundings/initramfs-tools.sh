# What it leaves is booted.
dpkg --install /packages/ours.deb
leave_mark
install_kernel
ran modprobe ', "--all", "--set-version='
ran depmod ', "-a", "-b", "/var/tmp/mkinitramfs_'
unmkinitramfs "/boot/initrd.img-$kernel" /image
ours_in_image /image modprobe rmmod
machine "/boot/initrd.img-$kernel"
# The same modules come in with kmod's tools.
dpkg --remove modutils-rs
kmods_in_place
mkinitramfs -o /kmods.img "$kernel"
unmkinitramfs /kmods.img /kmods
modules_of /kmods >/modules-of-kmods
diff /modules-of-kmods /modules-in-image
