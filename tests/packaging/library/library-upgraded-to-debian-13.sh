# Only on Debian 12.
# Of Debian 13's libraries only this one is here, which wants a newer glibc.
users_of_library
dpkg --install /packages/libkmod2-modutils-rs.deb
dpkg --force-depends --force-breaks --install /packages/libkmod2_34*.deb
our_library
dpkg --install /packages/libkmod2_30*.deb
our_library
dpkg --purge libkmod2-modutils-rs
kmods_library
no_failure
