/* One function, which two releases have in two versions: a test for each. */
#include "show.h"

static void name_lookup(void)
{
	struct kmod_ctx *ctx = world();
	static const char *const names[] = { "top", "snd-hda", "inside", "inner-alias", "al-top", "my-top",
					     "nowhere", "cmd-only", "top.ko", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_module *mod = (struct kmod_module *)ctx;
		int result = kmod_module_new_from_name_lookup(ctx, names[i], &mod);
		printf("%s: %d", names[i], result);
		if ((void *)mod == (void *)ctx) {
			printf(" untouched\n");
			continue;
		}
		printf(" %s %s\n", kmod_module_get_name(mod), text(kmod_module_get_path(mod)));
		kmod_module_unref(mod);
	}
	struct kmod_module *mod = NULL;
	printf("NULL: %d %d %d\n", kmod_module_new_from_name_lookup(NULL, "x", &mod),
	       kmod_module_new_from_name_lookup(ctx, NULL, &mod), kmod_module_new_from_name_lookup(ctx, "x", NULL));
	kmod_unref(ctx);
}

