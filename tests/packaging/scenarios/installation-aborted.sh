state >/before
# A file that belongs to another package: dpkg stops while it unpacks.
changed 'mkdir -p usr/bin; touch usr/bin/dpkg-query'
fails dpkg --install /packages/changed.deb
state >/after
diff /before /after
kmods_in_place
# The script that runs first fails at its end.
changed 'echo false >>DEBIAN/preinst'
fails dpkg --install /packages/changed.deb
state >/after
diff /before /after
kmods_in_place
