state >/before
keep_running '/sbin/modprobe --version'
dpkg --install /packages/modutils-rs.deb
dpkg --install /packages/modutils-rs-kmod.deb
ours_in_place
[ "$(standing kmod)" = config-files ]
modprobe --showconfig | grep -q '^options snd_pcsp index=-2'
# Both are upgraded, and go back.
changed 'sed -i "s/^Version: .*/Version: 99/; s/>= [0-9.]*/>= 99/" DEBIAN/control' modutils-rs-kmod
mv /packages/changed.deb /packages/second.deb
changed 'sed -i "s/^Version: .*/Version: 99/" DEBIAN/control'
dpkg --install /packages/changed.deb
dpkg --install /packages/second.deb
ours_in_place
dpkg --install /packages/modutils-rs-kmod.deb
dpkg --install /packages/modutils-rs.deb
ours_in_place
# Without it there would be no tools any more.
fails dpkg --remove modutils-rs
ours_in_place
dpkg --remove modutils-rs-kmod
ours_in_place
dpkg --install /packages/kmod_"$kmod"*.deb
ours_in_place
dpkg --remove modutils-rs
kmods_in_place
no_failure
dpkg --purge modutils-rs modutils-rs-kmod
state >/after
diff /before /after
