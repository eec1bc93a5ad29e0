# What it leaves is booted.
# Only on Debian 12.
# Saved settings come back whoever loads a module, through the rule and the units as the packages install them: with
# kmod's C library, and with ours on a system that has neither kmod nor libkmod2.

report_by <<'END'
value() {
    cat "/sys/module/$1/parameters/$2"
}
# The load of a module was served: what was saved of it is in effect.
served() {
    until_true "grep -qs '^served' /run/modutils/baseline/$1"
}
# How often the unit ran for a module.
runs() {
    journalctl --quiet --boot --output=cat --unit="modutils-restore@$1.service" | grep -c '^Finished' || true
}
# Modules that come in by each way. usbcore does in the image, psmouse by coldplug, nf_conntrack by
# systemd-modules-load.
load_all() {
    echo 'plug usb-storage,drive=stick,id=stick'
    bound usb usb-storage
    busybox insmod "/lib/modules/$(uname -r)/kernel/net/sunrpc/sunrpc.ko"
    # The kernel asks for a protocol, of IPv4's sockets.
    perl -e 'use Socket; socket(my $s, PF_INET, SOCK_STREAM, 132) or die $!'
    for module in usbcore psmouse nf_conntrack usb_storage sunrpc sctp; do
        grep "^$module " /proc/modules | cut -d ' ' -f 1
    done
    udevadm settle --timeout=300
}
late=/proc/sys/net/bridge/bridge-nf-call-iptables
close=/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close
burst=/proc/sys/net/sctp/max_burst

up
case $boot in
    1)
        # Nothing asks for settings: nothing runs for any module.
        load_all
        [ ! -e /run/modutils/persists ]
        [ "$(systemctl show -P ConditionResult modutils-restore)" = no ]
        [ "$(systemctl list-units --all --no-legend 'modutils-restore@*')" = '' ]
        [ "$(journalctl --quiet --boot --output=cat --unit='modutils-restore@*')" = '' ]
        cat >/etc/modutils.d/test.conf <<'LINES'
persist usbcore parameters autosuspend
persist psmouse parameters resetafter
persist usb_storage parameters delay_use
persist sunrpc parameters auth_max_cred_cachesize
persist nf_conntrack sysctl net/netfilter/nf_conntrack_tcp_timeout_*
persist sctp sysctl net/sctp/max_burst
persist br_netfilter sysctl net/bridge/*
LINES
        again
        ;;
    2)
        # Now each load is noted, and what is changed then is saved on the way down.
        load_all
        for module in usbcore psmouse usb_storage sunrpc nf_conntrack sctp; do
            served "$module"
        done
        echo 7 >/sys/module/usbcore/parameters/autosuspend
        echo 8 >/sys/module/psmouse/parameters/resetafter
        echo 9 >/sys/module/usb_storage/parameters/delay_use
        echo 10 >/sys/module/sunrpc/parameters/auth_max_cred_cachesize
        echo 11 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait
        echo 12 >$close
        echo 13 >$burst
        # What an administrator says of sysctls.
        echo 'net.netfilter.nf_conntrack_tcp_timeout_close = 33' >/etc/sysctl.d/test.conf
        echo 'net.bridge.bridge-nf-call-iptables = 0' >>/etc/sysctl.d/test.conf
        cat >/etc/udev/rules.d/99-test.rules <<'LINES'
ACTION=="add", SUBSYSTEM=="module", KERNEL=="br_netfilter", RUN+="/bin/sh -c '/lib/systemd/systemd-sysctl --prefix=/net/bridge; cat /proc/sys/net/bridge/bridge-nf-call-iptables >/run/as-sysctl.d-says'"
LINES
        mkdir -p /var/lib/modutils/settings
        echo 'sysctl/net/bridge/bridge-nf-call-iptables = 1' >/var/lib/modutils/settings/br_netfilter
        again
        ;;
esac
load_all
for module in usbcore psmouse usb_storage sunrpc nf_conntrack sctp; do
    served "$module"
done
is '7 8 9 10' "$(value usbcore autosuspend) $(value psmouse resetafter) $(value usb_storage delay_use) \
$(value sunrpc auth_max_cred_cachesize)"
is '11 13' "$(cat /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait) $(cat $burst)"
# What sysctl.d sets at the boot comes after what was saved.
is 33 "$(cat $close)"
# Once per load: whatever asks for events of modules that are there starts nothing, and changes nothing. What comes in while
# modutils-restore is at work may be served by that.
until_true '! systemctl list-units --no-legend "modutils-restore@*" | grep -q .'
is '1 1' "$(runs usb_storage) $(runs sunrpc)"
echo 3 >/sys/module/psmouse/parameters/resetafter
udevadm trigger --action=add --subsystem-match=module
systemctl restart systemd-udev-trigger
udevadm settle --timeout=300
systemctl restart modutils-restore modutils-restore-early
modprobe --restore-settings psmouse
is '1 1, 3' "$(runs usb_storage) $(runs sunrpc), $(value psmouse resetafter)"
# And for the next load again.
rmmod sunrpc
busybox insmod "/lib/modules/$(uname -r)/kernel/net/sunrpc/sunrpc.ko"
until_true 'journalctl --quiet --boot --output=cat --unit=modutils-restore@sunrpc.service | grep -c ^Finished | grep -q 2'
is 10 "$(value sunrpc auth_max_cred_cachesize)"
# A rule has sysctl.d set what came in later. What was saved is put back over it, and the journal says so.
modprobe bridge
busybox insmod "/lib/modules/$(uname -r)/kernel/net/bridge/br_netfilter.ko"
until_true 'journalctl --boot --output=cat --unit=modutils-restore@br_netfilter.service | grep -q ^Finished'
is '0, 1' "$(cat /run/as-sysctl.d-says), $(cat $late)"
journalctl --quiet --boot --output=cat --unit=modutils-restore@br_netfilter.service |
    grep 'sysctl/net/bridge/bridge-nf-call-iptables is as it was saved, and was something else before'
all_well
END
echo nf_conntrack >>/etc/modules
dpkg --install /packages/linux-image-*.deb
kernel=$(ls /lib/modules)
mkdir /kept
mv /packages/*modutils-rs* /kept
rm -r /packages/*
dpkg --install /kept/modutils-rs.deb
[ "$(standing libkmod2)" = installed ]
whole_system with-kmods-library

dpkg --install /kept/libkmod2-modutils-rs.deb
dpkg --install /kept/modutils-rs-kmod.deb /kept/modutils-rs-libkmod2.deb
dpkg --purge kmod
[ "$(standing libkmod2)" = not-installed ]
rm -r /kept
whole_system with-our-library
