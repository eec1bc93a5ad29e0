# What it leaves is booted.
# The same as system-without-kmod, where the image is dracut's.

dpkg --remove --force-depends initramfs-tools initramfs-tools-core
printf '%s\n' 'hostonly="no"' 'compress="zstd -1"' >/etc/dracut.conf.d/test.conf
dpkg --install /packages/dracut_*.deb
report_all
system_with_kmod
replace_kmod
dracut --force "/boot/initrd.img-$kernel" "$kernel"
mkdir /image
(cd /image && lsinitrd --unpack "/boot/initrd.img-$kernel")
system_without_kmod /image
