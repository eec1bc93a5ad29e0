repository "kmod_$kmod*.deb" "libkmod2_$kmod*.deb" modutils-rs.deb modutils-rs-kmod.deb \
    libkmod2-modutils-rs.deb modutils-rs-libkmod2.deb
state >/before
users_of_library
apt_get install libkmod2-modutils-rs
our_library
# kmod's own package does not mind what provides its library.
apt_get install modutils-rs-libkmod2
our_library
[ "$(standing libkmod2)" = not-installed ]
[ "$(standing kmod)" = installed ]
kmod --version
apt_get check
apt_get install modutils-rs
apt_get install modutils-rs-kmod
ours_in_place
[ "$(standing kmod)" = config-files ]
apt_get check
# The way back.
apt_get install kmod libkmod2 modutils-rs-kmod- modutils-rs-libkmod2-
our_library
ours_in_place
[ "$(standing libkmod2)" = installed ]
apt_get remove libkmod2-modutils-rs modutils-rs
kmods_library
kmods_in_place
no_failure
dpkg --purge modutils-rs modutils-rs-kmod libkmod2-modutils-rs modutils-rs-libkmod2
state >/after
diff /before /after
