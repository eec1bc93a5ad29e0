# Only on Debian 12.
# kmod of Debian 13 has no such files.
# What an administrator has changed of kmod's goes on counting when kmod is replaced, survives its purge, and is there when
# it comes back.
repository 'kmod_30*.deb' 'libkmod2_30*.deb' modutils-rs.deb modutils-rs-kmod.deb
sed -i '2iecho the administrator was here' /etc/init.d/kmod
cp -p /etc/init.d/kmod /changed
# A file of the same name replaces kmod's: it asks for no order of sound cards, and for something of its own.
echo 'options dummy numdummies=7' >/etc/modprobe.d/aliases.conf
mkdir -p /etc/depmod.d
echo 'search updates built-in' >/etc/depmod.d/local.conf
echo loop >>/etc/modules
ls /etc/rc*.d/*kmod >/links
find /etc/modprobe.d /etc/depmod.d /etc/modules /etc/init.d/kmod -type f -printf '%M %T@ %s %p\n' | sort >/files
modprobe --showconfig | grep -v '^#' | sort >/shown
[ "$(grep -c snd_pcsp /shown)" = 0 ]
unchanged() {
    echo "looking for changes"
    cmp /changed /etc/init.d/kmod
    /etc/init.d/kmod stop 2>/dev/null | grep -q 'the administrator was here'
    ls /etc/rc*.d/*kmod | diff /links -
    find /etc/modprobe.d /etc/depmod.d /etc/modules /etc/init.d/kmod -type f -printf '%M %T@ %s %p\n' | sort | diff /files -
    modprobe --showconfig | grep -v '^#' | sort | diff /shown -
}

unchanged
apt_get install modutils-rs
apt_get install modutils-rs-kmod
[ "$(standing kmod)" = config-files ]
unchanged
# Ours leaves the work to it.
sh -x /etc/init.d/modutils-rs start 2>&1 | lacks /sbin/modprobe.*--
# Another way back and forth.
apt_get install kmod modutils-rs-kmod-
unchanged
apt_get install modutils-rs-kmod
unchanged
dpkg --purge kmod
[ "$(standing kmod)" != config-files ]
unchanged
[ ! -e /run/modutils-rs-kmod ]
# It is nobody's now: dpkg asks which one to take, or is told.
apt_get -o Dpkg::Options::=--force-confold install kmod modutils-rs-kmod-
unchanged
apt_get remove modutils-rs
modprobe --version | lacks modutils-rs
unchanged
