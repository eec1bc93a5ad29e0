# Each script fails, before it has done anything and after it has done all, when the package is installed, upgraded,
# removed and purged. There is a modprobe all the time, and with the package as it is everything comes right again.
state >/before
keep_running '/sbin/modprobe --version'
for script in preinst postinst prerm postrm; do
    for how in '2iexit 9' '$aexit 9'; do
        changed "sed -i '$how' DEBIAN/$script"
        # Installed where none of ours was.
        dpkg --install /packages/changed.deb || /sbin/modprobe --version
        dpkg --install /packages/modutils-rs.deb
        ours_in_place
        # Installed over ours, and ours over it.
        dpkg --install /packages/changed.deb || /sbin/modprobe --version
        dpkg --install /packages/modutils-rs.deb || /sbin/modprobe --version
        dpkg --install /packages/modutils-rs.deb
        ours_in_place
        # Removed and purged.
        dpkg --install /packages/changed.deb || /sbin/modprobe --version
        dpkg --purge modutils-rs || /sbin/modprobe --version
        dpkg --install /packages/modutils-rs.deb
        ours_in_place
        dpkg --purge modutils-rs
        kmods_in_place
        state >/after
        diff /before /after
    done
done
no_failure
