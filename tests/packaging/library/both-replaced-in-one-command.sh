# Without the two steps that the README shows. apt puts ours in place before kmod goes as long as somebody who stays depends
# on kmod, as every kernel of Debian's does; otherwise it takes kmod away first.
mkdir -p /kernel/DEBIAN
printf '%s\n' 'Package: kernel' 'Version: 1' 'Architecture: all' 'Maintainer: Nobody <nobody@localhost>' 'Depends: kmod' \
    'Description: depends on kmod' >/kernel/DEBIAN/control
dpkg-deb --build /kernel /kernel.deb
dpkg --install /kernel.deb
repository "kmod_$kmod*.deb" "libkmod2_$kmod*.deb" modutils-rs.deb modutils-rs-kmod.deb \
    libkmod2-modutils-rs.deb modutils-rs-libkmod2.deb
keep_running 'systemctl --version' '/sbin/modprobe --version'
apt_get install modutils-rs-kmod modutils-rs-libkmod2
ours_in_place
our_library
[ "$(standing kmod)" = config-files ]
[ "$(standing libkmod2)" = not-installed ]
apt_get check
[ "$(dpkg --audit)" = '' ]
# The way back takes ours away in one command, too.
apt_get install kmod libkmod2 modutils-rs-kmod- modutils-rs-libkmod2- modutils-rs- libkmod2-modutils-rs-
kmods_in_place
kmods_library
apt_get check
[ "$(dpkg --audit)" = '' ]
no_failure
