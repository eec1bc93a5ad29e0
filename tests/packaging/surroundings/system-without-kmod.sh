# What it leaves is booted.
# A whole system with systemd, once with kmod and libkmod2 and once without either. Both boot, without a failed unit, and
# have the same modules then, and when devices have come and the services that load modules were restarted.

report_all
system_with_kmod
replace_kmod
# The trigger has made the image anew; nothing of kmod's is in it.
unmkinitramfs "/boot/initrd.img-$kernel" /image
system_without_kmod /image
