# Each script fails, before it has done anything and after it has done all.
state >/before
users_of_library
for script in preinst postinst prerm postrm; do
    for how in '2iexit 9' '$aexit 9'; do
        changed "sed -i '$how' DEBIAN/$script" libkmod2-modutils-rs
        dpkg --install /packages/changed.deb || systemctl --version
        dpkg --install /packages/libkmod2-modutils-rs.deb
        our_library
        dpkg --install /packages/changed.deb || systemctl --version
        dpkg --install /packages/libkmod2-modutils-rs.deb || systemctl --version
        dpkg --install /packages/libkmod2-modutils-rs.deb
        our_library
        dpkg --install /packages/changed.deb || systemctl --version
        dpkg --purge libkmod2-modutils-rs || systemctl --version
        dpkg --install /packages/libkmod2-modutils-rs.deb
        our_library
        dpkg --purge libkmod2-modutils-rs
        kmods_library
        state >/after
        diff /before /after
    done
done
no_failure
