dpkg --install /packages/libkmod2-modutils-rs.deb /packages/libkmod-dev-modutils-rs.deb
cat >/list.c <<'END'
#include <stdio.h>
#include <libkmod.h>

int main(void)
{
	struct kmod_ctx *ctx = kmod_new("/nowhere", NULL);

	printf("%s\n", kmod_get_dirname(ctx));
	kmod_unref(ctx);
	return 0;
}
END
gcc -o /list /list.c -lkmod
[ "$(/list)" = /nowhere ]
# It runs on kmod's, too.
dpkg --purge libkmod-dev-modutils-rs libkmod2-modutils-rs
kmods_library
[ "$(/list)" = /nowhere ]
