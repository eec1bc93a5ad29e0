dpkg --install /packages/modutils-rs.deb
changed 'sed -i "s/^Version: .*/Version: 99/" DEBIAN/control; printf x >>usr/lib/modutils-rs/kmod'
dpkg --install /packages/changed.deb
ours_in_place
cmp /sbin/modprobe /usr/lib/modutils-rs/kmod
[ "$(dpkg-query --show --showformat='${Version}' modutils-rs)" = 99 ]
[ -L "$keeper" ]
# An upgrade that cannot be unpacked leaves what was there.
changed 'sed -i "s/^Version: .*/Version: 100/" DEBIAN/control; mkdir -p usr/bin; touch usr/bin/dpkg-query'
fails dpkg --install /packages/changed.deb
ours_in_place
# Switched off by the administrator, the unit stays off.
rm "$keeper"
dpkg --install /packages/modutils-rs.deb
[ ! -L "$keeper" ]
dpkg --purge modutils-rs
kmods_in_place
