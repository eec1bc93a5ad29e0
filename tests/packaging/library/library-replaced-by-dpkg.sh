state >/before
users_of_library
dpkg --install /packages/libkmod2-modutils-rs.deb
dpkg --install /packages/modutils-rs-libkmod2.deb
our_library
[ "$(standing libkmod2)" = not-installed ]
# Who builds a package finds what its programs need.
dpkg --search "$link" | grep -q '^modutils-rs-libkmod2:'
fails dpkg --remove libkmod2-modutils-rs
our_library
# Another library of ours.
changed 'sed -i "s/^Version: .*/Version: 99/" DEBIAN/control; printf x >>usr/lib/x86_64-linux-gnu/modutils-rs/libkmod.so.2' \
    libkmod2-modutils-rs
dpkg --install /packages/changed.deb
our_library
cmp "$link" /usr/lib/x86_64-linux-gnu/modutils-rs/libkmod.so.2
dpkg --install /packages/libkmod2-modutils-rs.deb
our_library
# systemd depends on what is gone for a moment; the library itself is there.
dpkg --remove --force-depends modutils-rs-libkmod2
our_library
dpkg --install /packages/libkmod2_"$kmod"*.deb
our_library
dpkg --purge libkmod2-modutils-rs
kmods_library
no_failure
state >/after
diff /before /after
