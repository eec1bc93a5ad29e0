# What it leaves is booted.
# Only on Debian 12.
# A system without kmod and libkmod2 makes its image anew and has its kernel's package installed again, and boots with what
# came of that: with an image of initramfs-tools, and with one of dracut.

report_by <<'END'
up
case $boot in
    1)
        modules booted >/modules
        touch /began
        sh -eu /tools >&2
        apt-get --quiet --yes -o APT::Sandbox::User=root --reinstall install "linux-image-$(uname -r)" >/dev/ttyS0 2>&1
        [ "$(dpkg --verify "linux-image-$(uname -r)" modutils-rs modutils-rs-kmod libkmod2-modutils-rs)" = '' ]
        # The image was made by that, too.
        [ "/boot/initrd.img-$(uname -r)" -nt /began ]
        readlink /vmlinuz /initrd.img
        again
        ;;
esac
modules booted >/modules-now
diff /modules /modules-now >&2
echo 'the same modules'
END
dpkg --install /packages/modutils-rs.deb /packages/libkmod2-modutils-rs.deb
dpkg --install /packages/modutils-rs-kmod.deb /packages/modutils-rs-libkmod2.deb
dpkg --purge kmod
repository 'linux-image-*.deb'
# An image for any machine takes emulated processors a quarter of an hour. One for this machine loads the same modules.
cat >/tools <<'END'
printf '%s\n' MODULES=dep COMPRESSLEVEL=1 >/etc/initramfs-tools/conf.d/test
update-initramfs -u
touch /began
END
dpkg --install /archive/linux-image-*.deb
kernel=$(ls /lib/modules)
mkdir /kept
mv /packages/dracut_*.deb /kept
rm -r /packages/*
whole_system initramfs-tools

dpkg --remove --force-depends initramfs-tools initramfs-tools-core
printf '%s\n' 'hostonly="no"' 'compress="zstd -1"' >/etc/dracut.conf.d/test.conf
dpkg --install /kept/dracut_*.deb
dracut --force "/boot/initrd.img-$kernel" "$kernel"
# An image for any machine again: one for this machine would load less of the device mapper.
echo "sed -i 's/^compress=.*/compress=cat/' /etc/dracut.conf.d/test.conf" >/tools
whole_system dracut
