# Only on Debian 12.
dpkg --force-depends --force-breaks --install /packages/libkmod2_34*.deb /packages/kmod_34*.deb
state >/before
dpkg --install /packages/modutils-rs.deb
ours_in_place
dpkg --purge modutils-rs
state >/after
diff /before /after
kmods_in_place
