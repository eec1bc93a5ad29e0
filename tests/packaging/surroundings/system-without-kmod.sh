# What it leaves is booted.
# A whole system with systemd, once with kmod and libkmod2 and once without either. Both boot, without a failed unit, and
# have the same modules then, and when devices have come and the services that load modules were restarted.

report_by <<'END'
up
sh -eu /tools
# From /etc/modules, over systemd-modules-load.
grep -q '^dummy ' /proc/modules
modules booted
# Who asks the tools: what systemd has static nodes made of, what a maker of images asks about each module, and
# sensors-detect, which asks modprobe what it would do.
sort /run/tmpfiles.d/static-nodes.conf
cut -d ' ' -f 1 /proc/modules | sort | while read -r module; do
    for field in filename firmware depends alias; do
        modinfo -k "$(uname -r)" -0 -F "$field" "$module"
    done
done | cksum
sensors-detect --auto </dev/null
# lspci looks the drivers up by itself, over the C library.
lspci -k
lspci -k | grep 'Kernel modules: .*xhci_pci' >&2
lspci -vnnk | grep -E '^[^[:space:]]|Kernel'
modules asked
echo 'plug e1000,id=late'
bound pci e1000
echo 'plug usb-storage,drive=stick,id=stick'
bound usb usb-storage
# Its disk is found some time after that.
until_true "grep -q '^sd_mod ' /proc/modules && ls -d /sys/block/sd* >/dev/null"
# The driver of a kind that is there from the beginning is loaded for a device that comes, too, and takes both.
modprobe -r virtio_net
fails grep '^virtio_net ' /proc/modules >&2
echo 'plug virtio-net-pci,id=another'
until_true '[ "$(ls -d /sys/bus/virtio/drivers/virtio_net/virtio* 2>/dev/null | wc -l)" = 2 ]'
modules plugged
systemctl restart systemd-udevd systemd-modules-load
systemctl restart systemd-udev-trigger
all_well
modules restarted
END
echo dummy >>/etc/modules
dpkg --install /packages/lm-sensors_*.deb /packages/libsensors*.deb /packages/pciutils_*.deb /packages/libpci3_*.deb \
    /packages/pci.ids_*.deb
dpkg --install /packages/linux-image-*.deb
kernel=$(ls /lib/modules)
mkdir /kept
mv /packages/*modutils-rs* /kept
rm -r /packages/*
echo 'modprobe --version | grep -q "^kmod version"' >/tools
whole_system with-kmod

keep_running 'systemctl --version' '/sbin/modprobe --version'
dpkg --install /kept/modutils-rs.deb /kept/libkmod2-modutils-rs.deb
dpkg --install /kept/modutils-rs-kmod.deb /kept/modutils-rs-libkmod2.deb
no_failure
[ "$(standing kmod)" = config-files ]
[ "$(standing libkmod2)" = not-installed ]
dpkg --purge kmod
ours_in_place
# The trigger has made the image anew; nothing of kmod's is in it.
unmkinitramfs "/boot/initrd.img-$kernel" /image
ours_in_image /image modprobe rmmod
cmp /usr/lib/x86_64-linux-gnu/libkmod.so.2 "$(readlink -f /image/usr/lib/x86_64-linux-gnu/libkmod.so.2)"
rm -r /image /kept
echo 'modprobe --version | grep -q modutils-rs; [ ! -e /usr/lib/x86_64-linux-gnu/libkmod.so.2.4.0 ]' >/tools
whole_system without-kmod
