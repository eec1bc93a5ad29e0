# What it leaves is booted.
# Only on Debian 12.
dpkg --install /packages/modutils-rs.deb
dpkg --remove --force-depends initramfs-tools initramfs-tools-core
printf '%s\n' 'hostonly="no"' 'compress="zstd -1"' 'install_items+=" /etc/modprobe.d/mark.conf "' \
    >/etc/dracut.conf.d/test.conf
dpkg --install /packages/dracut_*.deb
leave_mark
install_kernel
ran depmod ', "-a", "-b", "/var/tmp/dracut.'
mkdir /image /kmods
(cd /image && lsinitrd --unpack "/boot/initrd.img-$kernel")
ours_in_image /image modprobe rmmod
machine "/boot/initrd.img-$kernel"
# The same modules come in with kmod's tools.
dpkg --remove modutils-rs
kmods_in_place
dracut /kmods.img "$kernel"
(cd /kmods && lsinitrd --unpack /kmods.img)
modules_of /kmods >/modules-of-kmods
diff /modules-of-kmods /modules-in-image
