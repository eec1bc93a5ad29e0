/* The functions that kmod 30 does not have, or with another version. */
#include "name_lookup.h"

static void test_kmod_module_new_from_name_lookup(void)
{
	name_lookup();
}

static void test_kmod_module_get_weakdeps(void)
{
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	static const char *const names[] = { "top", "weakly", "nowhere", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_list *weak = NULL;
		struct kmod_module *mod = named(ctx, names[i]);
		printf("%s: %d\n", names[i], kmod_module_get_weakdeps(mod, &weak));
		print_modules("weak", weak);
		kmod_module_unref_list(weak);
		kmod_module_unref(mod);
	}
	struct kmod_list *list = NULL;
	struct kmod_module *mod = named(ctx, "top");
	printf("NULL: %d %d\n", kmod_module_get_weakdeps(NULL, &list), kmod_module_get_weakdeps(mod, NULL));
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

static void test_kmod_config_get_weakdeps(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_config_iter *iter = kmod_config_get_weakdeps(ctx);
	while (kmod_config_iter_next(iter))
		printf("<%s> <%s>\n", kmod_config_iter_get_key(iter), kmod_config_iter_get_value(iter));
	kmod_config_iter_free_iter(iter);
	printf("of nothing: %d\n", kmod_config_get_weakdeps(NULL) == NULL);
	printf("no name of nothing: %s\n", text(kmod_get_dirname(NULL)));
	kmod_config_iter_free_iter(NULL);
	kmod_unref(ctx);
}

#define TEST(name) { #name, test_##name }
static const struct test tests[] = {
	TEST(kmod_module_new_from_name_lookup),
	TEST(kmod_module_get_weakdeps),
	TEST(kmod_config_get_weakdeps),
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_test(tests, argc, argv);
}
