# Only on Debian 12.
export INITRD=No
dpkg --install /packages/modutils-rs.deb
dpkg --install /packages/linux-headers-*.deb /packages/linux-kbuild-*.deb /packages/linux-compiler-*.deb
mkdir /usr/src/greeting-1.0
cat >/usr/src/greeting-1.0/greeting.c <<'END'
// SPDX-License-Identifier: MIT OR Apache-2.0
#include <linux/module.h>

static int times = 1;
module_param(times, int, 0444);
MODULE_PARM_DESC(times, "how often to greet");

static int __init greeting_begin(void)
{
	for (int i = 0; i < times; i++)
		pr_info("greeting\n");
	return 0;
}

static void __exit greeting_end(void)
{
}

module_init(greeting_begin);
module_exit(greeting_end);
MODULE_ALIAS("greeting-of-the-tests");
MODULE_DESCRIPTION("A module that greets");
MODULE_LICENSE("Dual MIT/GPL");
END
echo 'obj-m := greeting.o' >/usr/src/greeting-1.0/Makefile
cat >/usr/src/greeting-1.0/dkms.conf <<'END'
PACKAGE_NAME="greeting"
PACKAGE_VERSION="1.0"
BUILT_MODULE_NAME[0]="greeting"
DEST_MODULE_LOCATION[0]="/kernel/misc"
AUTOINSTALL="yes"
END
dkms add greeting/1.0
# The kernel's package has it built and installed.
install_kernel
there() {
    ran depmod ", \"-a\", \"$kernel\""
    [ -f "/lib/modules/$kernel/updates/dkms/greeting.ko" ]
    [ "$(modprobe -S "$kernel" -D greeting-of-the-tests times=2)" = \
        "insmod /lib/modules/$kernel/updates/dkms/greeting.ko times=2" ]
    database_as_kmods /
}
gone() {
    fails modprobe -S "$kernel" -D greeting-of-the-tests
    database_as_kmods /
}
there
calls=$(wc -l </calls)
dkms uninstall greeting/1.0 -k "$kernel"
gone
dkms install greeting/1.0 -k "$kernel"
there
dkms remove greeting/1.0 --all
gone
ran depmod ", \"-a\", \"$kernel\""
[ "$(wc -l </calls)" = "$((calls + 3))" ]
dpkg --remove modutils-rs
kmods_in_place
