state >/before
dpkg --install /packages/modutils-rs.deb
keep_running '/sbin/modprobe --version'
# A file that belongs to another package: kmod stays.
changed 'touch usr/bin/dpkg-query 2>/dev/null || { mkdir -p usr/bin; touch usr/bin/dpkg-query; }' modutils-rs-kmod
fails dpkg --install /packages/changed.deb
ours_in_place
[ "$(standing kmod)" = installed ]
[ "$(dpkg --verify kmod)" = '' ]
for script in postinst postrm; do
    for how in '2iexit 9' '$aexit 9'; do
        changed "sed -i '$how' DEBIAN/$script" modutils-rs-kmod
        dpkg --install /packages/changed.deb || ours_in_place
        dpkg --purge modutils-rs-kmod || ours_in_place
        dpkg --install /packages/modutils-rs-kmod.deb
        ours_in_place
        dpkg --purge modutils-rs-kmod
        dpkg --install /packages/kmod_"$kmod"*.deb
        ours_in_place
    done
done
dpkg --purge modutils-rs
kmods_in_place
no_failure
state >/after
diff /before /after
