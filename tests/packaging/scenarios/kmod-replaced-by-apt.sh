repository "kmod_$kmod*.deb" "libkmod2_$kmod*.deb" modutils-rs.deb modutils-rs-kmod.deb
state >/before
keep_running '/sbin/modprobe --version' 'kmod --version'
apt_get install modutils-rs
ours_in_place
apt_get install modutils-rs-kmod
ours_in_place
[ "$(standing kmod)" = config-files ]
[ ! -e /bin/kmod.$aside ]
apt_get check
# Nobody misses what kmod's package brought besides.
modprobe --showconfig | grep -q '^options snd_pcsp index=-2'
man -w 5 modules
[ ! -x /etc/init.d/kmod ]
# What stays behind of kmod may go; not what its scripts would take along of the administrator's.
echo dummy >>/etc/modules
chmod 640 /etc/modules
cp -p /etc/modules /modules-before
dpkg --purge kmod
cmp /modules-before /etc/modules
[ "$(stat --format='%a %Y' /modules-before)" = "$(stat --format='%a %Y' /etc/modules)" ]
[ ! -e /run/modutils-rs-kmod ]
# Whoever does without the file goes on without it.
mv /etc/modules /elsewhere
dpkg --audit
dpkg --install /archive/modutils-rs.deb
[ ! -e /etc/modules ]
mv /elsewhere /etc/modules
ours_in_place
/etc/init.d/modutils-rs start
# The way back.
apt_get install kmod modutils-rs-kmod-
ours_in_place
[ "$(standing kmod)" = installed ]
[ "$(readlink -f /sbin/modprobe.$aside)" = /usr/bin/kmod ]
apt_get remove modutils-rs
kmods_in_place
no_failure
dpkg --purge modutils-rs modutils-rs-kmod
state >/after
diff /before /after
