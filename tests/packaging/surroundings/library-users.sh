# Only on Debian 12.
# Programs of Debian that are linked with the C library, on kmod's and on ours: the same answers.
export INITRD=No
dpkg --install /packages/linux-image-*.deb
kernel=$(ls /lib/modules)
link=/usr/lib/x86_64-linux-gnu/libkmod.so.2

# What is linked with it, directly or through another library.
grep --files-with-matches --fixed-strings libkmod.so.2 /usr/bin/* /usr/sbin/* /usr/lib/systemd/* /usr/lib/dracut/* \
    /usr/lib/x86_64-linux-gnu/*.so* /usr/lib/x86_64-linux-gnu/systemd/* 2>/dev/null | grep -v /libkmod.so.2 >/users || true
[ "$(wc -l </users)" -ge 3 ]
echo /usr/bin/systemctl >>/users

answers() {
    while read -r user; do
        # Symbols and versions that are missing, if any.
        ldd -r "$user" 2>&1 | grep -e 'undefined symbol' -e 'not found' || true
    done </users >"$1.missing"
    cat "$1.missing"
    mkdir "$1"
    # The drivers of a disk, found by name, by alias and by directory, with everything that they need.
    /usr/lib/dracut/dracut-install -D "$1" --kerneldir "/lib/modules/$kernel" -m ext4 virtio_blk pci:v00008086d0000100Esv0sd0bc02sc00i00 \
        =drivers/usb/storage 2>&1 || echo "status $?"
    (cd "$1" && find . -type f | sort)
    for name in '' 'pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00' nothing:of:that:name; do
        udevadm test-builtin "kmod load $name" /sys/class/net/lo 2>&1 || echo "status $?"
    done
    echo nothing-of-that-name >/etc/modules-load.d/test.conf
    /usr/lib/systemd/systemd-modules-load 2>&1 || echo "status $?"
}

answers /images-1 >/kmods
dpkg --install /packages/libkmod2-modutils-rs.deb
dpkg --install /packages/modutils-rs-libkmod2.deb
[ "$(standing libkmod2)" = not-installed ]
[ "$(readlink "$link")" = libkmod.so.2.99.0 ]
answers /images-2 >/ours
sed 's/images-1/images-2/' /kmods | diff - /ours
grep -q /ext4.ko /ours
grep -q /e1000.ko /ours
grep -q /usb-storage.ko /ours
lacks -i kmod /images-2.missing
